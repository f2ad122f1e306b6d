export { type AdamW, type AdamWCoefficients, type AdamWOptions, type AdamWState, adamW } from './adamw.ts';
export { clipByGlobalNorm } from './clip-by-global-norm.ts';
export { emaDecay, updateEma } from './ema.ts';
export { type Schedule, warmupConstant, warmupCosine } from './schedules.ts';
