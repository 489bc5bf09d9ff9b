export { createApi } from './app.ts';
export type { ApiNeeds, Served } from './needs.ts';
