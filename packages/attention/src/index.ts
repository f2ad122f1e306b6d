export { type AttentionSpec, attention } from './attention.ts';
export { gatedLocalGlobalAttention } from './gated-local-global.ts';
export type { AttentionInputs } from './inputs.ts';
export { type FeatureMap, linearAttention, mapFeatures } from './linear.ts';
export { attentionOracle, type OracleInputs } from './oracle.ts';
export { gatherRotary, type Rotary, rotaryTable, rotate } from './rotary.ts';
export { slidingWindowAttention } from './sliding-window.ts';
export { softmaxAttention } from './softmax.ts';
