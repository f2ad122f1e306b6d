import {
  createObjective,
  type DrawnBatch,
  type LossTerm,
  type Objective,
  type ObjectiveSchedule,
  solutionNetworks,
} from '@eflow/flow';
import { assertShape, refuseUnknownKeys, splitStream } from '@eflow/tensor';
import {
  bindVideoDiT,
  countKept,
  drawKeptTokens,
  type KeptTokensOptions,
  keepRatioAt,
  nullCondition,
  TOKEN_DROP_DEFAULTS,
  tokenGrid,
  type VideoDiTCondition,
  type VideoDiTConfig,
  type VideoDiTParams,
  validateConfig,
} from '@eflow/video-dit';
import type * as tf from '@tensorflow/tfjs-core';
import { drawBatches, drawnLoss } from './objective-loss.ts';
import { createTrainStep, type StepContext, type TrainStep, type TrainStepOptions } from './train-step.ts';

/** What a VideoDiT is trained on. */
export type VideoBatch = {
  /** Clips, [B, F, H, W, C] in [-1, 1], as `uploadClips` of @eflow/tensor gives them. */
  data: tf.Tensor;
  /** What the network is told of them; absent for one that takes neither classes nor a context. */
  condition?: VideoDiTCondition;
};

/** The options of any step, and those of this one. */
const SHARED = ['optimizer', 'clipNorm', 'emaDecay', 'seed', 'spikeDeviations', 'compile'] as const;
const OWN = ['totalSteps', 'objective', 'keepRatio', 'keepPattern', 'denseTail', 'microBatches', 'branches'] as const;

export interface VideoDiTStepOptions
  extends Pick<
    TrainStepOptions<VideoDiTParams, VideoBatch, { loss: tf.Scalar }, never, never>,
    (typeof SHARED)[number]
  > {
  /** Steps of the whole training, over which the objective's and the token drop's schedules run. */
  totalSteps: number;
  /** EFlow's own unless given. */
  objective?: Objective;
  /** Share of the tokens that the middle of the network sees, in (0, 1]; 1 drops none. */
  keepRatio?: number;
  /** Which tokens: see `drawKeptTokens`. */
  keepPattern?: KeptTokensOptions['pattern'];
  /** Share of the steps, at the end, that keep all tokens. */
  denseTail?: number;
  /** Parts of a batch whose gradients are taken one after the other: less memory for the same update. 1 unless given. */
  microBatches?: number;
  /**
   * Parts of a batch, or of each micro batch, that one graph runs side by side, each on a core of its own: for networks too small to
   * share an op among cores. 1 unless given.
   */
  branches?: number;
}

/**
 * The training step of a VideoDiT by an objective, with token drop. Options that are absent are those of `TRAIN_STEP_DEFAULTS`,
 * `createObjective()` and `TOKEN_DROP_DEFAULTS`: together they are EFlow (arXiv 2603.27086). Throws on a config that cannot be, an
 * unknown option, numbers of steps, micro batches and branches that are no positive integers and a keep ratio outside (0, 1]; a step throws as those of
 * `createTrainStep` do, and on clips that the network does not take.
 */
export function createVideoDiTStep(
  network: VideoDiTConfig,
  options: VideoDiTStepOptions,
): TrainStep<VideoDiTParams, VideoBatch, 'velocityLoss' | LossTerm> {
  refuseUnknownKeys('createVideoDiTStep', options, [...OWN, ...SHARED]);
  const { predicts } = validateConfig(network);
  const {
    totalSteps,
    objective = createObjective(),
    keepRatio = TOKEN_DROP_DEFAULTS.keepRatio,
    keepPattern: pattern = TOKEN_DROP_DEFAULTS.pattern,
    denseTail = TOKEN_DROP_DEFAULTS.denseTail,
    microBatches = 1,
    branches = 1,
    ...rest
  } = options;
  if (!Number.isSafeInteger(totalSteps) || totalSteps < 1) {
    throw new Error(`createVideoDiTStep: totalSteps is ${totalSteps}; expected the number of steps, from 1`);
  }
  for (const [name, parts] of Object.entries({ microBatches, branches })) {
    if (Number.isSafeInteger(parts) && parts >= 1) continue;
    throw new Error(`createVideoDiTStep: ${name} is ${parts}; expected the number of parts of a batch, from 1`);
  }
  countKept(1, keepRatio); // throws on a bad ratio
  /** The batch as the objective takes it, with its draws, in parts. */
  const cut = ({ data, condition = {} }: VideoBatch, context: Context) => {
    const { B, F, H, W } = assertShape('createVideoDiTStep', 'data', data, ['B', 'F', 'H', 'W', network.channels]);
    const grid = tokenGrid(network, { numFrames: F, height: H, width: W });
    const { keepRatio, trainsJumps } = context.fixed;
    const keptTokens =
      keepRatio < 1
        ? drawKeptTokens(splitStream(context.stream, 'keptTokens'), { batchSize: B, grid, keepRatio, pattern })
        : undefined;
    const batch = { data, condition, nullCondition: nullCondition(network, condition), keptTokens };
    return drawBatches(objective, batch, microBatches, { ...context, trainsJumps });
  };
  return createTrainStep({
    ...rest,
    scheduleAt: (step) => objective.scheduleAt(step / totalSteps),
    fixedAt: (step) => ({
      keepRatio: keepRatioAt(step / totalSteps, { keepRatio, denseTail }),
      trainsJumps: objective.trainsJumpsAt?.(step / totalSteps) ?? true,
    }),
    microBatches: { count: microBatches, cut },
    loss: (params: VideoDiTParams, part: DrawnBatch, context) =>
      drawnLoss(
        objective,
        solutionNetworks(bindVideoDiT(params, network), predicts, objective.map),
        part,
        context,
        branches,
      ),
  });
}

type Context = StepContext<ObjectiveSchedule<number>, { keepRatio: number; trainsJumps: boolean }>;
