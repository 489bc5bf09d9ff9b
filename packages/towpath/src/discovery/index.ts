export { discover, type Discovery, type Finding, type Unknown } from './discover.ts';
export { writeConfig } from './write.ts';
