export const VERSION = 'v5';
