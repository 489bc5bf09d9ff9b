export { createArtifacts } from './artifacts.ts';
export type {
  Artifact,
  ArtifactNeeds,
  Artifacts,
  BuildRequest,
  BuildRules,
  BuildSource,
  StoredArtifact,
} from './model.ts';
