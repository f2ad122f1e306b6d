export { gelu, silu, swiglu } from './activations.ts';
export {
  initLabelEmbedder,
  initScalarEmbedder,
  type LabelEmbedderParams,
  labelEmbedder,
  type ScalarEmbedderParams,
  scalarEmbedder,
} from './embedders.ts';
export { type Initialiser, normal, xavierUniform, zeros } from './initialisers.ts';
export { initLinear, type LinearParams, linear } from './linear.ts';
export { modulate } from './modulate.ts';
export { layerNorm, rmsNorm } from './norm.ts';
