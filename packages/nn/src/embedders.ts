import { assertShape, type RandomStream, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { silu } from './activations.ts';
import { STARTS } from './initialisers.ts';
import { initLinear, type LinearParams, linear } from './linear.ts';

const FREQUENCIES = 128;
const MAX_PERIOD = 10_000;
/**
 * Our choice: DiT's embedder spans 1,000 radians over t in [0, 1]. The solution loss divides differences of predictions
 * by differences of time as small as 1e-4, and wants an embedding that is smooth on that scale.
 */
const TIME_SCALE = 30;

/** Sinusoidal features, then linear, SiLU, linear. */
export type ScalarEmbedderParams = { fc1: LinearParams; fc2: LinearParams };

/** Parameters of a timestep or interval embedder. The caller owns them. */
export function initScalarEmbedder(stream: RandomStream, hiddenSize: number): ScalarEmbedderParams {
  return {
    fc1: initLinear(splitStream(stream, 'fc1'), 2 * FREQUENCIES, hiddenSize, STARTS.scalarEmbedder.fc1),
    fc2: initLinear(splitStream(stream, 'fc2'), hiddenSize, hiddenSize, STARTS.scalarEmbedder.fc2),
  };
}

/** Embeds a number per example: values [B], in [0, 1] -> [B, E], owned by the caller. */
export function scalarEmbedder(params: ScalarEmbedderParams, values: tf.Tensor): tf.Tensor {
  assertShape('scalarEmbedder', 'values', values, ['B']);
  return tf.tidy(() => linear(params.fc2, silu(linear(params.fc1, sinusoidalFeatures(values)))));
}

/** cos and sin of 30 t f, with f falling geometrically from 1 to 1 / 10,000: values [B] -> [B, 256]. */
function sinusoidalFeatures(values: tf.Tensor): tf.Tensor {
  const frequencies = Array.from({ length: FREQUENCIES }, (_, i) => TIME_SCALE * MAX_PERIOD ** (-i / FREQUENCIES));
  const angles = tf.mul(tf.expandDims(values, 1), tf.tensor2d(frequencies, [1, FREQUENCIES]));
  return tf.concat([tf.cos(angles), tf.sin(angles)], 1);
}

/** One row per class and a last one for "no class": [numClasses + 1, E]. */
export type LabelEmbedderParams = { table: tf.Tensor2D };

/** Parameters of a label embedder. The caller owns them. */
export function initLabelEmbedder(stream: RandomStream, numClasses: number, hiddenSize: number): LabelEmbedderParams {
  return { table: STARTS.labelEmbedder(splitStream(stream, 'table'), [numClasses + 1, hiddenSize]) };
}

/**
 * Rows of the table: labels [B], int32 in [0, numClasses], where numClasses stands for "no class" -> [B, E], owned by
 * the caller. A label out of range gives NaN, which makes the loss NaN: a device can't throw. Check labels where they enter.
 */
export function labelEmbedder(params: LabelEmbedderParams, labels: tf.Tensor): tf.Tensor {
  const numRows = params.table.shape[0];
  assertShape('labelEmbedder', 'labels', labels, ['B']);
  return tf.tidy(() => {
    // A product with one-hot rows: its gradient is one product, where tfjs' gradient of gather loops. They are cast, as
    // the wasm backend makes no others than of integers, whatever it is asked for.
    const rows = tf.matMul(tf.cast(tf.oneHot(labels as tf.Tensor1D, numRows), 'float32'), params.table);
    const isKnown = tf.logicalAnd(tf.greaterEqual(labels, 0), tf.less(labels, numRows));
    return tf.where(tf.expandDims(isKnown, 1), rows, Number.NaN);
  });
}
