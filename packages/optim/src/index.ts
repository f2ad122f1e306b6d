export {
  ADAMW_DEFAULTS,
  type AdamW,
  type AdamWCoefficients,
  type AdamWOptions,
  type AdamWState,
  adamW,
} from './adamw.ts';
export { clipByGlobalNorm, DEFAULT_CLIP_NORM } from './clip-by-global-norm.ts';
export { EMA_DEFAULTS, emaDecay, initEma, updateEma } from './ema.ts';
export { MUON_DEFAULTS, type Muon, type MuonCoefficients, type MuonOptions, type MuonState, muon } from './muon.ts';
export type { Coefficients, Optimizer } from './optimizer.ts';
export { type Schedule, WARMUP_DEFAULTS, type WarmupOptions, warmupConstant, warmupCosine } from './schedules.ts';
export type { Matrices } from './stack-matrices.ts';
