import { createObjective, type LossTerm, type Objective } from '@eflow/flow';
import { splitStream } from '@eflow/tensor';
import {
  bindVideoDiT,
  drawKeptTokens,
  type KeptTokensOptions,
  keepRatioAt,
  nullCondition,
  TOKEN_DROP_DEFAULTS,
  tokenGrid,
  type VideoDiTCondition,
  type VideoDiTConfig,
  type VideoDiTParams,
} from '@eflow/video-dit';
import type * as tf from '@tensorflow/tfjs-core';
import { objectiveLoss } from './objective-loss.ts';
import { createTrainStep, type TrainStep, type TrainStepOptions } from './train-step.ts';

/** What a VideoDiT is trained on. */
export type VideoBatch = {
  /** Clips, [B, F, H, W, C] in [-1, 1], as `uploadClips` of @eflow/tensor gives them. */
  data: tf.Tensor;
  /** What the network is told of them; absent for one that takes neither classes nor a context. */
  condition?: VideoDiTCondition;
};

export interface VideoDiTStepOptions
  extends Pick<
    TrainStepOptions<VideoDiTParams, VideoBatch, { loss: tf.Scalar }, never, never>,
    'optimizer' | 'clipNorm' | 'emaDecay' | 'seed' | 'spikeDeviations' | 'compile'
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
}

/**
 * The training step of a VideoDiT by an objective, with token drop: EFlow (arXiv 2603.27086) with all defaults, those of
 * `createTrainStep`, `createObjective` and `TOKEN_DROP_DEFAULTS`. Throws as `createTrainStep` does, and if `totalSteps` is no positive integer.
 */
export function createVideoDiTStep(
  network: VideoDiTConfig,
  options: VideoDiTStepOptions,
): TrainStep<VideoDiTParams, VideoBatch, 'velocityLoss' | LossTerm> {
  const {
    totalSteps,
    objective = createObjective(),
    keepRatio = TOKEN_DROP_DEFAULTS.keepRatio,
    keepPattern: pattern = TOKEN_DROP_DEFAULTS.pattern,
    denseTail = TOKEN_DROP_DEFAULTS.denseTail,
    ...rest
  } = options;
  if (!Number.isSafeInteger(totalSteps) || totalSteps < 1) {
    throw new Error(`createVideoDiTStep: totalSteps is ${totalSteps}; expected the number of steps, from 1`);
  }
  return createTrainStep({
    ...rest,
    scheduleAt: (step) => objective.scheduleAt(step / totalSteps),
    fixedAt: (step) => ({ keepRatio: keepRatioAt(step / totalSteps, { keepRatio, denseTail }) }),
    loss: (params: VideoDiTParams, { data, condition = {} }: VideoBatch, { stream, schedule, fixed }) => {
      const [batchSize, numFrames, height, width] = data.shape as [number, number, number, number];
      const grid = tokenGrid(network, { numFrames, height, width });
      const keptTokens =
        fixed.keepRatio < 1
          ? drawKeptTokens(splitStream(stream, 'keptTokens'), { batchSize, grid, keepRatio: fixed.keepRatio, pattern })
          : undefined;
      const batch = { data, condition, nullCondition: nullCondition(network, condition), keptTokens };
      return objectiveLoss(objective, bindVideoDiT(params, network), batch, { stream, schedule });
    },
  });
}
