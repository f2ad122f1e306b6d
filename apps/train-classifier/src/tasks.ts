import { captionedDigitsTask, type DatasetConfig } from '@eflow/data';
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

const { factors, numCombinations, valuesOf } = captionedDigitsTask;
const FACTORS = Object.keys(factors) as (keyof typeof factors)[];
/** Of every combination the numbers of its values, [factors, combinations]. */
const VALUES = FACTORS.map((factor) => Array.from({ length: numCombinations }, (_, label) => valuesOf(label)[factor]));

/** Digit, colour and direction, on all combinations of them. A clip that is right in all three is named right. */
export const captionedDigits: ClassifierTask<FactorClassifierParams> = {
  data: {
    kind: 'captionedDigits',
    numFrames: 8,
    height: 16,
    width: 16,
    digitSize: 11,
    minSpeed: 0.3,
    maxSpeed: 0.7,
    combinations: 'all',
  },
  weights: captionedDigitsClassifierWeights,
  init: (stream) => initFactorClassifier(stream, { channels: 3, factors }),
  loss(params, clips, labels) {
    const { logits } = factorClassifier(params, clips);
    const losses = FACTORS.map((factor, i) =>
      crossEntropy(logits[factor]!, tf.gather(tf.tensor1d(VALUES[i]!, 'int32'), labels)),
    );
    return tf.addN(losses);
  },
  async measure(params, held) {
    const extractor = createFactorExtractor(NOT_WRITTEN, params, NOT_WRITTEN);
    const seen = await look(extractor, held, { batchSize: BATCH_SIZE, task: captionedDigitsTask });
    const { all, ...each } = seen.factors!.every;
    return { accuracy: all!, ...each };
  },
};

/** Mean over all rows of `logits` [..., K]; `labels` int32 [...], or broadcast to it. */
function crossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Scalar {
  const wanted = tf.oneHot(labels as tf.Tensor1D, logits.shape.at(-1)!);
  return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), wanted), -1))) as tf.Scalar;
}
