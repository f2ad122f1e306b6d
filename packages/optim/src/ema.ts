import { assertShape, cloneTree, mapTrees, type Tree, withDefaults } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { assertAlike } from './assert-alike.ts';
import { lerp } from './lerp.ts';
import { checkSteps } from './schedules.ts';

export const EMA_DEFAULTS = { decay: 0.9999, warmup: true };

/** The moving average before the first update: the parameters themselves, as a tree of its own that the caller owns. */
export const initEma = <T extends Tree>(params: T): T => cloneTree(params);

/**
 * The exponential moving average decay * ema + (1 - decay) * params, leaf by leaf: decay 1 keeps `ema` and decay 0 copies
 * `params` to the bit. A tensor as decay is for compiled functions: a number would be part of the graph. Returns a new tree
 * that the caller owns; the arguments are untouched. Throws if names or shapes differ, or if `decay` is a number outside
 * [0, 1] or no scalar.
 */
export function updateEma<T extends Tree>(ema: T, params: Tree, decay: number | tf.Scalar): T {
  if (typeof decay === 'number') checkDecay('updateEma', decay);
  else assertShape('updateEma', 'decay', decay, []);
  const trees = { ema, params: params as T };
  assertAlike('updateEma', trees);
  return mapTrees('updateEma', trees, ([old, next]) => tf.tidy(() => lerp(old!, next!, decay)));
}

/**
 * The decay to use after `step` earlier updates: min(decay, (1 + step) / (10 + step)) while warming up, so that an
 * average begun at random weights forgets them (the rule of TensorFlow's ExponentialMovingAverage). Options that are absent are those of
 * `EMA_DEFAULTS`. Throws if `decay` is outside [0, 1], `step` is no integer >= 0 or an option is unknown.
 */
export function emaDecay(step: number, options: Partial<typeof EMA_DEFAULTS> = {}): number {
  const { decay, warmup } = withDefaults('emaDecay', options, EMA_DEFAULTS);
  checkDecay('emaDecay', decay);
  checkSteps('emaDecay', 'step', step, 0);
  return warmup ? Math.min(decay, (1 + step) / (10 + step)) : decay;
}

function checkDecay(where: string, decay: number): void {
  if (!(decay >= 0 && decay <= 1)) throw new Error(`${where}: decay is ${decay}; expected a number from 0 to 1`);
}
