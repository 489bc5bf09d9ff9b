export const VERSION = 'v3-bad';
