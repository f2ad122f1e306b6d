import { type Fusible, fuse, mapTree, type Tree, tidyTree, withDefaults } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import {
  ADAMW_DEFAULTS,
  type AdamWCoefficients,
  type AdamWOptions,
  type AdamWState,
  ANOTHER_STATE,
  adamW,
  checkWeightDecay,
} from './adamw.ts';
import { assertAlike } from './assert-alike.ts';
import { checkCoefficients } from './check-coefficients.ts';
import { lerp } from './lerp.ts';
import { orthogonalize } from './orthogonalize.ts';
import { checkRate, type Schedule } from './schedules.ts';
import { type Matrices, type Stacks, stackMatrices, unstackMatrices } from './stack-matrices.ts';

export interface MuonOptions extends AdamWOptions {
  /** Which leaves hold matrices. All others are AdamW's. */
  matrices: Matrices;
  /** Decay of the running mean of the matrices' gradients, in [0, 1). */
  momentum?: number;
  /** Every update first shrinks the matrices, and them alone, by learningRate * weightDecay; >= 0. */
  weightDecay?: number;
}

/** `betas` and `eps` are AdamW's, for what is no matrix. */
export const MUON_DEFAULTS = { ...ADAMW_DEFAULTS, momentum: 0.95 } as const;

/**
 * The running means of the matrices' gradients, in stacks [count, m, n] by 'mxn', and AdamW's moments of all other parameters, each one
 * vector. A list of none where there are no others.
 */
export type MuonState = { momentum: Stacks; others: AdamWState<tf.Tensor[]> };

/** What differs from step to step; tensors are for compiled functions. */
export type MuonCoefficients<Value = number | tf.Scalar> = {
  /** 1 - learningRate * weightDecay, which multiplies the matrices; unused if weightDecay is 0. */
  shrink: Value;
  learningRate: Value;
  /** AdamW's, for the others. */
  others: AdamWCoefficients<Value>;
};

export interface Muon {
  /** Muon takes whole matrices: it has to be given the tree. */
  readonly elementwise: false;
  /** A state of zeros for parameters such as these; the caller owns it. Throws if none of them is a matrix. */
  init(params: Tree): MuonState;
  /** The coefficients of an update. `step` counts the updates made before it, from 0. Throws as AdamW's does. */
  coefficients(step: number): MuonCoefficients<number>;
  /** One update, as AdamW's: new trees that the caller owns. Throws as AdamW's does, and if the state is of other matrices. */
  update<T extends Tree>(
    grads: Tree,
    state: MuonState,
    params: T,
    coefficients: MuonCoefficients,
  ): { params: T; state: MuonState };
}

/** An orthogonal matrix times so many sqrt(max(m, n)) has entries of the size of AdamW's updates. */
const ADAMW_SIZE = 0.2;

/**
 * Muon of Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024): the running mean of a matrix' gradients, with
 * Nesterov's step, made orthogonal. As in Moonlight (Liu et al., "Muon is scalable for LLM training", arXiv 2502.16982) the update
 * is then multiplied by 0.2 sqrt(max(m, n)), so that AdamW's learning rate suits it, and weight decay is decoupled. Parameters that
 * are no matrices are AdamW's, without weight decay. Options that are absent are those of `MUON_DEFAULTS`; `matrices` has none. Throws on options outside the
 * ranges given there, and on unknown ones.
 */
export function muon(options: MuonOptions): Muon {
  const filled = withDefaults('muon', options, MUON_DEFAULTS, ['matrices']);
  const { matrices: matricesOf, learningRate, momentum, weightDecay, betas, eps } = filled;
  if (typeof matricesOf !== 'function') {
    throw new Error(`muon: matrices is ${matricesOf}; expected a function of a leaf's name, such as hiddenMatrices`);
  }
  const rateAt: Schedule = typeof learningRate === 'number' ? () => learningRate : learningRate;
  if (typeof learningRate === 'number') checkRate('muon', learningRate);
  if (!(momentum >= 0 && momentum < 1)) throw new Error(`muon: momentum is ${momentum}; expected a number in [0, 1)`);
  checkWeightDecay('muon', weightDecay);
  const others = adamW({ learningRate, betas, eps });

  /** The new running mean, and the mean a step ahead of it, which is Nesterov's. */
  const average: Fusible = (old, grad) => {
    const mean = lerp(old!, grad!, momentum);
    return [mean, lerp(mean, grad!, momentum)];
  };
  /** The new matrices, [count, m, n]. */
  const move: Fusible = (old, direction, rate, shrink) => {
    const size = ADAMW_SIZE * Math.sqrt(Math.max(...old!.shape.slice(1)));
    const decayed = weightDecay === 0 ? old! : tf.mul(old!, shrink!);
    return [tf.sub(decayed, tf.mul(direction!, tf.mul(rate!, size)))];
  };
  /** AdamW's update of the vector of all others. */
  const updateOthers: Fusible = (old, grad, firstMoment, secondMoment, shrink, stepSize, eps) => {
    const coefficients = { shrink, stepSize, eps } as AdamWCoefficients<tf.Scalar>;
    const moments = { firstMoment: firstMoment!, secondMoment: secondMoment! };
    const { params, state } = others.update(grad!, moments, old!, coefficients);
    return [params, state.firstMoment, state.secondMoment];
  };

  return {
    elementwise: false,
    init: (params) =>
      tidyTree(() => {
        const parts = stackMatrices(params, matricesOf);
        if (Object.keys(parts.stacks).length === 0) {
          throw new Error(
            'muon: no parameter is a matrix by the option matrices, so that all would be updated by AdamW; take adamW instead (in a config: optimizer.kind=adamw)',
          );
        }
        return { momentum: mapTree(parts.stacks, (stack) => tf.zerosLike(stack)), others: others.init(parts.others) };
      }),
    coefficients(step) {
      const adamWs = others.coefficients(step);
      const rate = rateAt(step);
      return { shrink: 1 - rate * weightDecay, learningRate: rate, others: adamWs };
    },
    update(grads, state, params, coefficients) {
      const { shrink, learningRate: rate } = coefficients;
      checkCoefficients('muon', { shrink, learningRate: rate });
      if (!('momentum' in state)) throw new Error(`muon: ${ANOTHER_STATE}`);
      assertAlike('muon', { params, grads });
      return tidyTree(() => {
        const old = stackMatrices(params, matricesOf);
        const gradient = stackMatrices(grads, matricesOf);
        assertAlike('muon', { matrices: old.stacks, momentum: state.momentum });
        const [means, stacks]: [Stacks, Stacks] = [{}, {}];
        const rates = [rate, shrink].map(asScalar);
        for (const [shape, matrices] of Object.entries(old.stacks)) {
          const [mean, ahead] = fuse(average, state.momentum[shape]!, gradient.stacks[shape]!);
          means[shape] = mean!;
          stacks[shape] = fuse(move, matrices, orthogonalize(ahead!), ...rates)[0]!;
        }
        const adamWs = coefficients.others;
        const scalars = [adamWs.shrink, adamWs.stepSize, adamWs.eps].map(asScalar);
        const next = old.others.map((param, i) => {
          const { firstMoment, secondMoment } = state.others;
          return fuse(updateOthers, param, gradient.others[i]!, firstMoment[i]!, secondMoment[i]!, ...scalars);
        });
        const each = (i: number) => next.map((results) => results[i]!);
        return {
          params: unstackMatrices(params, matricesOf, { stacks, others: each(0) }),
          state: { momentum: means, others: { firstMoment: each(1), secondMoment: each(2) } },
        };
      });
    },
  };
}

const asScalar = (value: number | tf.Scalar): tf.Scalar => (typeof value === 'number' ? tf.scalar(value) : value);
