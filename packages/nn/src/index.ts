export { gelu, silu, swiglu } from './activations.ts';
export {
  initLabelEmbedder,
  initScalarEmbedder,
  type LabelEmbedderParams,
  labelEmbedder,
  type ScalarEmbedderParams,
  scalarEmbedder,
} from './embedders.ts';
export { addGatedLinear } from './gated-linear.ts';
export { type HeadsParams, joinHeads, projectHeads } from './heads.ts';
export { type Initialiser, normal, xavierUniform, zeros } from './initialisers.ts';
export { initLinear, type LinearParams, linear } from './linear.ts';
export { linearGelu } from './linear-gelu.ts';
export { modulate } from './modulate.ts';
export { modulatedNorm } from './modulated-norm.ts';
export { layerNorm, rmsNorm } from './norm.ts';
