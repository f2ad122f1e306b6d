import { fillTree, mapTree, type Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { lerp } from './lerp.ts';
import { matchTrees } from './match-trees.ts';
import { checkRate, checkSteps, type Schedule } from './schedules.ts';

/** Running means of the gradients and of their squares, each like the parameters: a tree, so checkpoints hold it as is. */
export type AdamWState<T extends Tree> = { firstMoment: T; secondMoment: T };

export interface AdamWOptions {
  /** A number >= 0, or a function of the updates made so far. */
  learningRate: number | Schedule;
  /** Decay of the two moments, each in [0, 1). */
  betas?: readonly [number, number];
  /** Added to the root of the second moment, > 0. */
  eps?: number;
  /** Every update first shrinks the parameters by learningRate * weightDecay; >= 0. */
  weightDecay?: number;
}

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
  /** Moments of zeros, like `params`; the caller owns them. */
  init<T extends Tree>(params: T): AdamWState<T>;
  /**
   * The coefficients of an update. `step` counts the updates made before it, from 0: it drives bias correction and
   * schedule, so the state needs no counter. Throws if `step` or the scheduled rate is no valid number.
   */
  coefficients(step: number): AdamWCoefficients<number>;
  /**
   * One update. Returns new trees that the caller owns; the arguments are untouched and stay the caller's. Throws if names
   * or shapes differ between the trees, or if a coefficient is neither a finite number nor a scalar.
   */
  update<T extends Tree>(
    grads: T,
    state: AdamWState<T>,
    params: T,
    coefficients: AdamWCoefficients,
  ): { params: T; state: AdamWState<T> };
}

/**
 * AdamW of Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv 1711.05101, algorithm 2, with the
 * learning rate as the decay's factor, as torch.optim.AdamW has it. About 12 ops per leaf: ravel the tree into one
 * vector for speed. Throws on options outside the ranges given there.
 */
export function adamW({ learningRate, betas = [0.9, 0.99], eps = 1e-8, weightDecay = 0 }: AdamWOptions): AdamW {
  const rateAt: Schedule = typeof learningRate === 'number' ? () => learningRate : learningRate;
  if (typeof learningRate === 'number') checkRate('adamW', learningRate);
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) throw new Error(`adamW: betas are [${betas.join(', ')}]; expected both in [0, 1)`);
  }
  if (!(eps > 0)) throw new Error(`adamW: eps is ${eps}; expected a small positive number, such as 1e-8`);
  if (!(weightDecay >= 0)) throw new Error(`adamW: weightDecay is ${weightDecay}; expected a number >= 0`);
  const [beta1, beta2] = betas;

  /** With bias = sqrt(1 - beta2^n): p -= rate m / (1 - beta1^n) / (sqrt(v) / bias + eps), in fewer ops. */
  const updateLeaf = (
    { grad, m, v, param }: Record<'grad' | 'm' | 'v' | 'param', tf.Tensor>,
    { shrink, stepSize, eps: scaledEps }: AdamWCoefficients,
  ) => {
    const nextM = lerp(m, grad, beta1);
    const nextV = lerp(v, tf.square(grad), beta2);
    const direction = tf.div(nextM, tf.add(tf.sqrt(nextV), scaledEps));
    const decayed = weightDecay === 0 ? param : tf.mul(param, shrink);
    return [nextM, nextV, tf.sub(decayed, tf.mul(direction, stepSize))];
  };

  return {
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
      checkCoefficients(coefficients);
      const { firstMoment, secondMoment } = state;
      const [p, g, m, v] = matchTrees('adamW', { params, grads, firstMoment, secondMoment }) as [
        tf.Tensor[],
        tf.Tensor[],
        tf.Tensor[],
        tf.Tensor[],
      ];
      const next = p.map((param, i) =>
        tf.tidy(() => updateLeaf({ param, grad: g[i]!, m: m[i]!, v: v[i]! }, coefficients)),
      );
      const pick = (which: number) =>
        fillTree(
          params,
          next.map((leaf) => leaf[which]!),
        );
      return { params: pick(2), state: { firstMoment: pick(0), secondMoment: pick(1) } };
    },
  };
}

/** The same coefficients as scalars, which the caller owns: what a compiled update takes. */
export const uploadCoefficients = ({
  shrink,
  stepSize,
  eps,
}: AdamWCoefficients<number>): AdamWCoefficients<tf.Scalar> => ({
  shrink: tf.scalar(shrink),
  stepSize: tf.scalar(stepSize),
  eps: tf.scalar(eps),
});

function checkCoefficients({ shrink, stepSize, eps }: AdamWCoefficients): void {
  for (const [name, value] of Object.entries({ shrink, stepSize, eps })) {
    if (value instanceof tf.Tensor ? value.rank === 0 : Number.isFinite(value)) continue;
    const found = value instanceof tf.Tensor ? `[${value.shape.join(', ')}]` : value;
    throw new Error(
      `adamW: ${name} is ${found}; expected a finite number or a scalar, as coefficients(step) gives them`,
    );
  }
}

const zerosLike = <T extends Tree>(tree: T): T => mapTree(tree, (leaf) => tf.zerosLike(leaf));
