export const VERSION = 'v4-bad';
