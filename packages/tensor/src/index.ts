export {
  type Clips,
  type ClipsShape,
  clipBytes,
  inBatches,
  joinClips,
  normalizePixels,
  sliceClips,
  toClips,
} from './clips.ts';
export type { Compile, CompileHints } from './compile.ts';
export { explain } from './explain.ts';
export { FUSE_KERNEL, type Fusible, fuse } from './fuse.ts';
export { stopGradient, valueAndGrad } from './gradient.ts';
export {
  hasBfloat16Products,
  hasNative,
  NATIVE_KERNEL,
  type NativeCall,
  type NativeKernelConfig,
  type NativeSources,
  runNative,
} from './native.ts';
export { requireOneTfjs, requireVersion } from './one-tfjs.ts';
export { refuseUnknownKeys, type WithDefaults, withDefaults } from './options.ts';
export { philoxBits, philoxNormal, philoxUniform, SCRAMBLE_KEY, type Seed } from './philox.ts';
export {
  createStream,
  RANDOM_KERNELS,
  type RandomStream,
  randomBits,
  randomNormal,
  randomUniform,
  SPLIT_KEY,
  splitStream,
  uploadStream,
} from './random.ts';
export { BARRIER_KERNEL, placeBehind, rematerialise } from './rematerialise.ts';
export { type NumberTree, readScalars, type ScalarTree, uploadScalars } from './scalars.ts';
export { type Axis, assertShape } from './shape.ts';
export type { StateDict } from './state-dict.ts';
export { withoutTape } from './tape.ts';
export {
  cloneTree,
  countParameters,
  disposeTree,
  fillTree,
  mapTree,
  mapTrees,
  ravel,
  type Tree,
  tidyTree,
  treeEntries,
  treeLeaves,
} from './tree.ts';
export { uploadClips } from './upload-clips.ts';
