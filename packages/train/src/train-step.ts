import {
  adamW,
  type Coefficients,
  clipByGlobalNorm,
  DEFAULT_CLIP_NORM,
  EMA_DEFAULTS,
  emaDecay,
  type Optimizer,
  updateEma,
} from '@eflow/optim';
import {
  type Compile,
  createStream,
  disposeTree,
  type RandomStream,
  ravel,
  readScalars,
  splitStream,
  type Tree,
  tidyTree,
  uploadScalars,
  uploadStream,
  valueAndGrad,
  withDefaults,
} from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { judge } from './guard.ts';
import { onVector } from './on-vector.ts';
import type { TrainState, Weights } from './state.ts';

/** Numbers by name. */
type Numbers = { readonly [name: string]: number };

/** The same numbers: scalars where the step is compiled, as a number would be part of the graph. */
type Values<N extends Numbers> = { readonly [Name in keyof N]: number | tf.Scalar };

/** What a loss depends on beside the parameters and the batch. */
export interface StepContext<Schedule extends Numbers, Fixed extends Numbers> {
  /** The step's own stream, of the seed and the step's number alone: split it, and draw from its children. */
  stream: RandomStream;
  schedule: Values<Schedule>;
  fixed: Fixed;
}

export interface TrainStepOptions<
  Params extends Tree,
  Batch,
  Losses extends { loss: tf.Scalar; [term: string]: tf.Scalar },
  Schedule extends Numbers,
  Fixed extends Numbers,
> {
  /** The loss to be differentiated, and other scalars for the log. It must depend on nothing but its arguments. */
  loss: (params: Params, batch: Batch, context: StepContext<Schedule, Fixed>) => Losses;
  /** As `initState` was given it. */
  optimizer?: Optimizer;
  /** What the gradient's norm is clipped to, above 0; Infinity clips nothing. */
  clipNorm?: number;
  /** The moving average's decay in [0, 1], reached by a warm-up; 0 keeps the last parameters. */
  emaDecay?: number;
  /** The seed of the draws, an integer in [0, 2^53). */
  seed?: number;
  /** What changes from step to step; nothing unless given. */
  scheduleAt?: (step: number) => Schedule;
  /** What is part of the graph, which is compiled anew where it changes; nothing unless given. */
  fixedAt?: (step: number) => Fixed;
  /** Standard deviations above which the guard takes a step for a spike, see `judge`; never unless given. */
  spikeDeviations?: number;
  /** Makes one graph of the step, such as `compile` of @eflow/engine; op by op unless given. */
  compile?: Compile;
}

/** The options of a step that is given its loss alone. */
export const TRAIN_STEP_DEFAULTS = {
  optimizer: adamW(),
  clipNorm: DEFAULT_CLIP_NORM,
  emaDecay: EMA_DEFAULTS.decay,
  seed: 0,
};

const OTHERS = ['loss', 'scheduleAt', 'fixedAt', 'spikeDeviations', 'compile'] as const;

/** The loss, its terms and the norm of its gradient before clipping. */
export type StepLosses<Terms extends string> = Record<Terms | 'loss' | 'gradNorm', number>;

/**
 * One step: the loss and its gradient on a batch, which stays the caller's, clipping, the optimizer's update, the moving
 * average. Replaces the tensors in `state`, disposes of the old ones, and counts the step. Returns the losses as numbers. Where
 * the guard refuses the update, `skipped` says why, and no weight has been changed.
 */
export type TrainStep<Params extends Tree, Batch, Terms extends string = string> = (
  state: TrainState<Params>,
  batch: Batch,
) => StepLosses<Terms> & { skipped?: string };

/**
 * The training step of any loss, in one graph with `compile`. It draws from the seed and the step's number alone, so that a run
 * that goes on makes the same steps. Options that are absent are those of `TRAIN_STEP_DEFAULTS`. Throws on an unknown option; a
 * step throws as `clipByGlobalNorm`, `updateEma` and the optimizer do, and what `loss` throws.
 */
export function createTrainStep<
  Params extends Tree,
  Batch,
  Losses extends { loss: tf.Scalar; [term: string]: tf.Scalar },
  Schedule extends Numbers = Numbers,
  Fixed extends Numbers = Numbers,
>(
  options: TrainStepOptions<Params, Batch, Losses, Schedule, Fixed>,
): TrainStep<Params, Batch, Extract<keyof Losses, string>> {
  const filled = withDefaults('createTrainStep', options, TRAIN_STEP_DEFAULTS, OTHERS);
  const { loss, optimizer, clipNorm, emaDecay: decay, seed, spikeDeviations, compile } = filled;

  type Rates = { coefficients: Coefficients; emaDecay: number | tf.Scalar };
  type Scalars = { rates: Rates; schedule: Values<Schedule> };
  const scalarsAt = (step: number) => ({
    rates: { coefficients: optimizer.coefficients(step), emaDecay: emaDecay(step, { decay }) },
    schedule: options.scheduleAt?.(step) ?? ({} as Schedule),
  });

  const inGraph: Compile = (fn, hints) => compile?.(fn, hints) ?? fn;
  // Many small ops on vectors of all parameters: XLA makes one pass over memory of them, and of all of an elementwise update.
  const clip = inGraph((gradient: tf.Tensor1D) => clipByGlobalNorm(gradient, clipNorm), { name: 'clip', xla: true });
  const average = inGraph(updateEma<tf.Tensor1D>, { name: 'average', xla: true });
  const applyBy =
    (update: Optimizer['update']) =>
    (gradient: tf.Tensor1D, weights: Weights, { coefficients, emaDecay }: Rates) =>
      tidyTree(() => {
        const { grads, norm } = clip(gradient);
        const { params, state } = update(grads, weights.optimizer, weights.params, coefficients);
        return { gradNorm: norm, weights: { params, ema: average(weights.ema, params, emaDecay), optimizer: state } };
      });
  const applyVectors = inGraph(applyBy(optimizer.update), { name: 'apply gradient', xla: true });

  /** The update of states whose parameters are such a tree. */
  function createUpdate(unravel: TrainState<Params>['unravel']) {
    const apply = optimizer.elementwise
      ? applyVectors
      : inGraph(applyBy(onVector(optimizer, unravel).update), { name: 'apply gradient' });
    const update = (fixed: Fixed, stream: RandomStream, { rates, schedule }: Scalars, weights: Weights, batch: Batch) =>
      tidyTree(() => {
        const params = unravel(weights.params);
        const { values, grads } = valueAndGrad(() => loss(params, batch, { stream, schedule, fixed }), params);
        const gradient = ravel(grads).vector;
        disposeTree(grads);
        const { gradNorm, weights: next } = apply(gradient, weights, rates);
        return { losses: { ...values, gradNorm }, weights: next };
      });
    const compiled = compile?.(update, { name: 'train step', captures: 'refuse' });
    return { update, compiled };
  }
  const updates = new WeakMap<TrainState<Params>['unravel'], ReturnType<typeof createUpdate>>();

  return (state, batch) => {
    const { step, weights, unravel } = state;
    if (!updates.has(unravel)) updates.set(unravel, createUpdate(unravel));
    const { update, compiled } = updates.get(unravel)!;
    const stream = splitStream(splitStream(createStream(seed), 'train'), step);
    const fixed = options.fixedAt?.(step) ?? ({} as Fixed);
    const { losses, weights: next } = compiled
      ? tidyTree(() => compiled(fixed, uploadStream(stream), uploadScalars(scalarsAt(step)) as Scalars, weights, batch))
      : update(fixed, stream, scalarsAt(step), weights, batch);
    const read = readScalars(losses) as StepLosses<Extract<keyof Losses, string>>;
    // A weighted loss hides spikes, which the velocity's plain mean square shows.
    const { reason, guard } = judge({ velocityLoss: read.loss, ...read }, state.guard, spikeDeviations);
    disposeTree(reason === undefined ? weights : next);
    if (reason === undefined) state.weights = next;
    state.guard = guard;
    state.step++;
    return reason === undefined ? read : { ...read, skipped: reason };
  };
}
