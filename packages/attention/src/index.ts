export {
  ATTENTION_KINDS,
  type AttentionSpec,
  attention,
  attentionKind,
  attentionOracle,
  attentionSchema,
  type KindInputs,
  type OracleInputs,
} from './attention.ts';
export { type CrossAttentionInputs, crossAttention } from './cross.ts';
export { type FeatureMap, mapFeatures } from './feature-map.ts';
export { attentionFlops, crossAttentionFlops, type Flops } from './flops.ts';
export { type GatedLocalGlobalOptions, gatedLocalGlobalAttention } from './gated-local-global.ts';
export type { AttentionInputs } from './inputs.ts';
export { type AnyAttentionKind, type AttentionKind, type LearnedInput, learnedShape } from './kind.ts';
export { type LinearOptions, linearAttention } from './linear.ts';
export { crossAttentionOracle } from './oracle.ts';
export { gatherRotary, type Rotary, rotaryTable, rotate } from './rotary.ts';
export { slidingWindowAttention, type WindowSize } from './sliding-window.ts';
export { softmaxAttention } from './softmax.ts';
export { type SparseLinearOptions, sparseLinearAttention } from './sparse-linear.ts';
export type { Grid } from './tiles.ts';
