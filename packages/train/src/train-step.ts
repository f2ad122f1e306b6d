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
  mapTree,
  mapTrees,
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
import * as tf from '@tensorflow/tfjs-core';
import { judge } from './guard.ts';
import { onVector } from './on-vector.ts';
import type { TrainState, Weights } from './state.ts';

/** Numbers by name. */
type Numbers = { readonly [name: string]: number };
/** What is part of a graph, by name. */
type Constants = { readonly [name: string]: number | boolean };

/** The same numbers: scalars where the step is compiled, as a number would be part of the graph. */
type Values<N extends Numbers> = { readonly [Name in keyof N]: number | tf.Scalar };

/** What a loss depends on beside the parameters and the batch. */
export interface StepContext<Schedule extends Numbers, Fixed extends Constants> {
  /** The step's own stream, of the seed and the step's number alone: split it, and draw from its children. */
  stream: RandomStream;
  schedule: Values<Schedule>;
  fixed: Fixed;
}

export interface TrainStepOptions<
  Params extends Tree,
  Batch extends Tree,
  Losses extends { loss: tf.Scalar; [term: string]: tf.Scalar },
  Schedule extends Numbers,
  Fixed extends Constants,
  Part extends Tree = Batch,
> {
  /** The loss to be differentiated, and other scalars for the log. It must depend on nothing but its arguments. */
  loss: (params: Params, part: Part, context: StepContext<Schedule, Fixed>) => Losses;
  /**
   * Cuts a batch, with what is drawn for it, into `count` parts of the same shapes, whose gradients are taken one after the other
   * and averaged, as their losses are: the update of the whole batch, in the memory of a part. Absent: one part, the batch.
   */
  microBatches?: { count: number; cut: (batch: Batch, context: StepContext<Schedule, Fixed>) => Part[] };
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

const OTHERS = ['loss', 'microBatches', 'scheduleAt', 'fixedAt', 'spikeDeviations', 'compile'] as const;

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
  Batch extends Tree,
  Losses extends { loss: tf.Scalar; [term: string]: tf.Scalar },
  Schedule extends Numbers = Numbers,
  Fixed extends Constants = Constants,
  Part extends Tree = Batch,
>(
  options: TrainStepOptions<Params, Batch, Losses, Schedule, Fixed, Part>,
): TrainStep<Params, Batch, Extract<keyof Losses, string>> {
  const filled = withDefaults('createTrainStep', options, TRAIN_STEP_DEFAULTS, OTHERS);
  const { loss, optimizer, clipNorm, emaDecay: decay, seed, spikeDeviations, compile } = filled;

  const { count, cut } = options.microBatches ?? { count: 1, cut: (batch: Batch) => [batch as Tree as Part] };

  type Context = StepContext<Schedule, Fixed>;
  type Rates = { coefficients: Coefficients; emaDecay: number | tf.Scalar };
  const ratesAt = (step: number) => ({
    coefficients: optimizer.coefficients(step),
    emaDecay: emaDecay(step, { decay }),
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

  /** The update of states whose parameters are such a tree: in one graph, or in one of a micro batch and the update's. */
  function createUpdate(unravel: TrainState<Params>['unravel']) {
    const apply = optimizer.elementwise
      ? applyVectors
      : inGraph(applyBy(onVector(optimizer, unravel).update), { name: 'apply gradient' });
    const gradientOf = (part: Part, vector: tf.Tensor1D, context: Context) =>
      tidyTree(() => {
        const params = unravel(vector);
        const { values, grads } = valueAndGrad(() => loss(params, part, context), params);
        const gradient = ravel(grads).vector;
        disposeTree(grads);
        return { values, gradient };
      });
    const ofAll = (batch: Batch, weights: Weights, context: Context, rates: Rates) =>
      tidyTree(() => {
        const { values, gradient } = gradientOf(cut(batch, context)[0]!, weights.params, context);
        const { gradNorm, weights: next } = apply(gradient, weights, rates);
        return { losses: { ...values, gradNorm }, weights: next };
      });
    if (count === 1) return inGraph(ofAll, { name: 'train step', captures: 'refuse' });

    const cutBatch = inGraph(cut, { name: 'micro batches', captures: 'refuse' });
    const gradientOfPart = inGraph(gradientOf, { name: 'micro batch', captures: 'refuse' });
    return (batch: Batch, weights: Weights, context: Context, rates: Rates) =>
      tidyTree(() => {
        const parts = cutBatch(batch, context);
        const { values, gradient } = mean(parts, (part) => gradientOfPart(part, weights.params, context));
        const { gradNorm, weights: next } = apply(gradient, weights, rates);
        return { losses: { ...values, gradNorm }, weights: next };
      });
  }
  const updates = new WeakMap<TrainState<Params>['unravel'], ReturnType<typeof createUpdate>>();

  return (state, batch) => {
    const { step, weights, unravel } = state;
    if (!updates.has(unravel)) updates.set(unravel, createUpdate(unravel));
    const update = updates.get(unravel)!;
    const stream = splitStream(splitStream(createStream(seed), 'train'), step);
    const schedule = options.scheduleAt?.(step) ?? ({} as Schedule);
    const fixed = options.fixedAt?.(step) ?? ({} as Fixed);
    const { losses, weights: next } = tidyTree(() =>
      compile
        ? update(
            batch,
            weights,
            { stream: uploadStream(stream), schedule: uploadScalars(schedule) as Values<Schedule>, fixed },
            uploadScalars(ratesAt(step)) as Rates,
          )
        : update(batch, weights, { stream, schedule, fixed }, ratesAt(step)),
    );
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

/** The mean of the trees that `fn` makes of parts, one after the other: two of them are there at a time. The caller owns it. */
function mean<Part, T extends Tree>(parts: readonly Part[], fn: (part: Part) => T): T {
  const sum = parts.slice(1).reduce((before, part) => {
    const next = fn(part);
    const after = mapTrees('createTrainStep', { before, next }, ([a, b]) => tf.add(a!, b!));
    disposeTree([before, next]);
    return after;
  }, fn(parts[0]!));
  return mapTree(sum, (leaf) => tf.div(leaf, parts.length));
}
