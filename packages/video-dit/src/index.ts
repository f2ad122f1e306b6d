export { type BlockConfig, type BlockParams, block, initBlock } from './block.ts';
export { countTokens, tokenGrid, type VideoDiTConfig, validateConfig } from './config.ts';
export { patchify, unpatchify } from './patchify.ts';
export { countKept, drawKeptTokens, gatherTokens, restoreTokens } from './token-drop.ts';
export {
  assertLabels,
  initVideoDiT,
  type VideoDiTInput,
  type VideoDiTParams,
  videoDiT,
  weakVideoDiT,
} from './video-dit.ts';
