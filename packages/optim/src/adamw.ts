import { mapTree, mapTrees, type Tree, withDefaults } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { assertAlike } from './assert-alike.ts';
import { checkCoefficients } from './check-coefficients.ts';
import { lerp } from './lerp.ts';
import { checkRate, checkSteps, type Schedule, WARMUP_DEFAULTS } from './schedules.ts';

/** Running means of the gradients and of their squares, each like the parameters: a tree, so checkpoints hold it as is. */
export type AdamWState<T extends Tree> = { firstMoment: T; secondMoment: T };

export interface AdamWOptions {
  /** A number >= 0, or a function of the updates made so far. */
  learningRate?: number | Schedule;
  /** Decay of the two moments, each in [0, 1). */
  betas?: readonly [number, number];
  /** Added to the root of the second moment, > 0. */
  eps?: number;
  /** Every update first shrinks the parameters by learningRate * weightDecay; >= 0. */
  weightDecay?: number;
}

export const ADAMW_DEFAULTS = {
  learningRate: WARMUP_DEFAULTS.learningRate,
  betas: [0.9, 0.99],
  eps: 1e-8,
  weightDecay: 0,
} as const;

/**
 * What an update multiplies with and adds that differs from step to step. Tensors are for compiled functions: a number
 * would be part of the graph.
 */
export type AdamWCoefficients<Value = number | tf.Scalar> = {
  /** 1 - learningRate * weightDecay, which multiplies the parameters; unused if weightDecay is 0. */
  shrink: Value;
  /** learningRate * sqrt(1 - beta2^n) / (1 - beta1^n), at update n = step + 1. */
  stepSize: Value;
  /** eps * sqrt(1 - beta2^n). */
  eps: Value;
};

export interface AdamW {
  /** Every number is updated by itself: one vector may stand for a tree. */
  readonly elementwise: true;
  /** Moments of zeros, like `params`; the caller owns them. */
  init<T extends Tree>(params: T): AdamWState<T>;
  /**
   * The coefficients of an update. `step` counts the updates made before it, from 0: it drives bias correction and
   * schedule, so the state needs no counter. Throws if `step` or the scheduled rate is no valid number.
   */
  coefficients(step: number): AdamWCoefficients<number>;
  /**
   * One update by gradients that are like `params`. Returns new trees that the caller owns; the arguments are untouched and stay the caller's. Throws if names
   * or shapes differ between the trees, or if a coefficient is neither a finite number nor a scalar.
   */
  update<T extends Tree>(
    grads: Tree,
    state: AdamWState<T>,
    params: T,
    coefficients: AdamWCoefficients,
  ): { params: T; state: AdamWState<T> };
}

/**
 * AdamW of Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv 1711.05101, algorithm 2, with the
 * learning rate as the decay's factor, as torch.optim.AdamW has it. About 12 ops per leaf: ravel the tree into one
 * vector for speed. Options that are absent are those of `ADAMW_DEFAULTS`. Throws on options outside the ranges given there, and on
 * unknown ones.
 */
export function adamW(options: AdamWOptions = {}): AdamW {
  const { learningRate, betas, eps, weightDecay } = withDefaults('adamW', options, ADAMW_DEFAULTS);
  const rateAt: Schedule = typeof learningRate === 'number' ? () => learningRate : learningRate;
  if (typeof learningRate === 'number') checkRate('adamW', learningRate);
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) throw new Error(`adamW: betas are [${betas.join(', ')}]; expected both in [0, 1)`);
  }
  if (!(eps > 0)) throw new Error(`adamW: eps is ${eps}; expected a small positive number, such as 1e-8`);
  checkWeightDecay('adamW', weightDecay);
  const [beta1, beta2] = betas;

  return {
    elementwise: true,
    init: (params) => ({ firstMoment: zerosLike(params), secondMoment: zerosLike(params) }),
    coefficients(step) {
      checkSteps('adamW', 'step', step, 0);
      const rate = rateAt(step);
      checkRate('adamW', rate);
      const rootBias = Math.sqrt(1 - beta2 ** (step + 1));
      return {
        shrink: 1 - rate * weightDecay,
        stepSize: (rate * rootBias) / (1 - beta1 ** (step + 1)),
        eps: eps * rootBias,
      };
    },
    update(grads, state, params, coefficients) {
      checkCoefficients('adamW', coefficients);
      if (!('firstMoment' in state)) throw new Error(`adamW: ${ANOTHER_STATE}`);
      assertAlike('adamW', { params, grads, ...state });
      const { shrink, stepSize, eps: scaledEps } = coefficients;
      const firstMoment = mapTrees('adamW', { old: state.firstMoment, grads: grads as typeof params }, ([old, grad]) =>
        tf.tidy(() => lerp(old!, grad!, beta1)),
      );
      const secondMoment = mapTrees(
        'adamW',
        { old: state.secondMoment, grads: grads as typeof params },
        ([old, grad]) => tf.tidy(() => lerp(old!, tf.square(grad!), beta2)),
      );
      // With bias = sqrt(1 - beta2^n): p -= rate m / (1 - beta1^n) / (sqrt(v) / bias + eps), in fewer ops.
      const next = mapTrees('adamW', { params, firstMoment, secondMoment }, ([param, m, v]) =>
        tf.tidy(() => {
          const direction = tf.div(m!, tf.add(tf.sqrt(v!), scaledEps));
          const decayed = weightDecay === 0 ? param! : tf.mul(param!, shrink);
          return tf.sub(decayed, tf.mul(direction, stepSize));
        }),
      );
      return { params: next, state: { firstMoment, secondMoment } };
    },
  };
}

/** Why an update is refused that is given the state of another kind. */
export const ANOTHER_STATE =
  'the state is of another optimizer; begin with init(params) of this one, or initState(params, optimizer) of @eflow/train';

/** Throws unless `weightDecay` is a number that is not negative. */
export function checkWeightDecay(where: string, weightDecay: number): void {
  if (!(weightDecay >= 0)) throw new Error(`${where}: weightDecay is ${weightDecay}; expected a number >= 0`);
}

const zerosLike = <T extends Tree>(tree: T): T => mapTree(tree, (leaf) => tf.zerosLike(leaf));
