export type { FileDigest } from './atomic-file.ts';
export {
  type Checkpoint,
  type CheckpointContents,
  type FoundCheckpoint,
  findLatestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  pruneCheckpoints,
  type Retention,
  saveCheckpoint,
} from './checkpoint.ts';
export { type Json, type Manifest, verifyCheckpoint } from './manifest.ts';
export { readNpz, writeNpz } from './npz.ts';
export { readSafetensors, type SafetensorsSource, writeSafetensors } from './safetensors.ts';
export type { Dtype } from './safetensors-header.ts';
export type { SafetensorsEntry, TensorData } from './tensor-data.ts';
export { loadTree, readTree, saveTree } from './tree-file.ts';
