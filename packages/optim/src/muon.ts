import { mapTree, mapTrees, type Tree, tidyTree, withDefaults } from '@eflow/tensor';
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
  const { matrices, learningRate, momentum, weightDecay, betas, eps } = withDefaults('muon', options, MUON_DEFAULTS, [
    'matrices',
  ]);
  if (typeof matrices !== 'function') {
    throw new Error(`muon: matrices is ${matrices}; expected a function of a leaf's name, such as hiddenMatrices`);
  }
  const rateAt: Schedule = typeof learningRate === 'number' ? () => learningRate : learningRate;
  if (typeof learningRate === 'number') checkRate('muon', learningRate);
  if (!(momentum >= 0 && momentum < 1)) throw new Error(`muon: momentum is ${momentum}; expected a number in [0, 1)`);
  checkWeightDecay('muon', weightDecay);
  const others = adamW({ learningRate, betas, eps });

  return {
    elementwise: false,
    init: (params) =>
      tidyTree(() => {
        const parts = stackMatrices(params, matrices);
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
        const [old, gradient] = [params, grads].map((tree) => stackMatrices(tree, matrices));
        assertAlike('muon', { matrices: old!.stacks, momentum: state.momentum });
        const mean = mapTrees('muon', { old: state.momentum, grads: gradient!.stacks }, ([mean, grad]) =>
          tf.tidy(() => lerp(mean!, grad!, momentum)),
        );
        const stacks = mapTrees('muon', { params: old!.stacks, mean, grads: gradient!.stacks }, ([param, mean, grad]) =>
          tf.tidy(() => {
            const direction = orthogonalize(lerp(mean!, grad!, momentum)); // Nesterov: a step ahead
            const decayed = weightDecay === 0 ? param! : tf.mul(param!, shrink);
            const size = ADAMW_SIZE * Math.sqrt(Math.max(...param!.shape.slice(1)));
            return tf.sub(decayed, tf.mul(direction, tf.mul(rate, size)));
          }),
        );
        const next = others.update(gradient!.others, state.others, old!.others, coefficients.others);
        return {
          params: unstackMatrices(params, matrices, { stacks, others: next.params }),
          state: { momentum: mean, others: next.state },
        };
      });
    },
  };
}
