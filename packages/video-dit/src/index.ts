export { bindVideoDiT, nullCondition, readCondition } from './bind.ts';
export { type BlockConfig, type BlockParams, type BlockSurroundings, block, initBlock } from './block.ts';
export {
  type ClipSize,
  countTokens,
  type FullVideoDiTConfig,
  tokenGrid,
  VIDEO_DIT_DEFAULTS,
  type VideoDiTConfig,
  validateConfig,
} from './config.ts';
export { type CountOptions, countNetwork, type NetworkCount, type PartCount } from './count.ts';
export { type FromDiT, initFromDiT } from './from-dit.ts';
export { hiddenMatrices } from './hidden-matrices.ts';
export { assertLabels, type VideoDiTCondition, type VideoDiTInput } from './input.ts';
export { initVideoDiT, type VideoDiTParams } from './params.ts';
export { patchify, unpatchify } from './patchify.ts';
export { splitDepth, VIDEO_DIT_PRESETS, type VideoDiTPreset } from './presets.ts';
export {
  countKept,
  drawKeptTokens,
  gatherTokens,
  type KeptTokensOptions,
  keepRatioAt,
  restoreTokens,
  TOKEN_DROP_DEFAULTS,
} from './token-drop.ts';
export { videoDiT, weakVideoDiT } from './video-dit.ts';
