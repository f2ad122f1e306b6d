import { type CaptionTask, captionedDigitsTask, type DatasetConfig, movingEmojiTask } from '@eflow/data';
import {
  captionedDigitsClassifierWeights,
  createDigitsExtractor,
  createFactorExtractor,
  type DigitsClassifierParams,
  digitsClassifier,
  digitsClassifierWeights,
  type FactorClassifierParams,
  factorClassifier,
  initDigitsClassifier,
  initFactorClassifier,
  movingEmojiClassifierWeights,
} from '@eflow/fvd';
import { type ClipSource, look } from '@eflow/measure';
import type { RandomStream, Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** What a classifier learns to tell. */
export interface ClassifierTask<Params extends Tree> {
  /** The clips that it learns and is measured on: those of the preset that it measures. */
  data: DatasetConfig;
  /** Where its weights are shipped. */
  weights: URL;
  init(stream: RandomStream): Params;
  /** Mean cross-entropy on `clips`, float32 [B, F, H, W, C] in [-1, 1], with `labels`, int32 [B]. */
  loss(params: Params, clips: tf.Tensor, labels: tf.Tensor1D): tf.Scalar;
  /** Shares of held-out clips, in [0, 1]: `accuracy` of those that it names right, and what else tells how good it is. */
  measure(params: Params, held: ClipSource): Promise<{ accuracy: number; [share: string]: number }>;
}

const NOT_WRITTEN = 'not written yet';
const BATCH_SIZE = 200;

/** One digit of ten. Every frame is judged, so that each learns to name the digit without the rest of the clip. */
export const movingDigits: ClassifierTask<DigitsClassifierParams> = {
  data: {
    kind: 'movingDigits',
    numFrames: 8,
    height: 16,
    width: 16,
    digitSize: 12,
    numDigits: 1,
    minSpeed: 0.3,
    maxSpeed: 1,
  },
  weights: digitsClassifierWeights,
  init: initDigitsClassifier,
  loss: (params, clips, labels) => crossEntropy(digitsClassifier(params, clips).frameLogits, tf.expandDims(labels, 1)),
  async measure(params, held) {
    const extractor = createDigitsExtractor(params, NOT_WRITTEN);
    const { judgement } = await look(extractor, held, { batchSize: BATCH_SIZE, judge: true });
    return { accuracy: judgement!.classAccuracy, frameConsistency: judgement!.frameConsistency };
  },
};

/** All factors of captions, on all combinations of them. A clip that is right in all is named right. */
function factorTask(data: DatasetConfig, task: CaptionTask, weights: URL): ClassifierTask<FactorClassifierParams> {
  const { factors, numCombinations, valuesOf } = task;
  const names = Object.keys(factors);
  /** Of every combination the numbers of its values, [factors, combinations]. */
  const values = names.map((name) => Array.from({ length: numCombinations }, (_, label) => valuesOf(label)[name]!));
  return {
    data,
    weights,
    init: (stream) => initFactorClassifier(stream, { channels: 3, factors }),
    loss(params, clips, labels) {
      const { logits } = factorClassifier(params, clips);
      const losses = names.map((name, i) =>
        crossEntropy(logits[name]!, tf.gather(tf.tensor1d(values[i]!, 'int32'), labels)),
      );
      return tf.addN(losses);
    },
    async measure(params, held) {
      const extractor = createFactorExtractor(NOT_WRITTEN, params, NOT_WRITTEN);
      const { all, ...each } = (await look(extractor, held, { batchSize: BATCH_SIZE, task })).factors!.every;
      return { accuracy: all!, ...each };
    },
  };
}

/** Digit, colour and direction. */
export const captionedDigits = factorTask(
  {
    kind: 'captionedDigits',
    numFrames: 8,
    height: 16,
    width: 16,
    digitSize: 11,
    minSpeed: 0.3,
    maxSpeed: 0.7,
    combinations: 'all',
  },
  captionedDigitsTask,
  captionedDigitsClassifierWeights,
);

/** Subject, ground and path. */
export const movingEmoji = factorTask(
  { kind: 'movingEmoji', numFrames: 8, height: 32, width: 32, combinations: 'all' },
  movingEmojiTask,
  movingEmojiClassifierWeights,
);

/** Mean over all rows of `logits` [..., K]; `labels` int32 [...], or broadcast to it. */
function crossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Scalar {
  const wanted = tf.oneHot(labels as tf.Tensor1D, logits.shape.at(-1)!);
  return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), wanted), -1))) as tf.Scalar;
}
