import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** cos and sin of each token's rotation angles, [L, D], or [B, K, D] for tokens kept per example; both halves are equal. */
export type Rotary = { cos: tf.Tensor; sin: tf.Tensor };

const BASE = 10_000;

/**
 * Factorised 3-D rotary embedding (RoFormer, arXiv 2104.09864, per axis): of the D / 2 pairs of a head a third turns
 * with the token's row, a third with its column, and the rest with its frame. `grid` = tokens in [frames, rows, columns],
 * in (t, h, w) order. Returns [L, D] tables that the caller owns. Throws unless D is even and at least 6.
 */
export function rotaryTable(grid: readonly [number, number, number], headDim: number): Rotary {
  if (headDim % 2 !== 0 || headDim < 6) {
    throw new Error(
      `rotaryTable: headDim is ${headDim}; expected an even number of at least 6 (a pair for each of time, height and width)`,
    );
  }
  const pairs = headDim / 2;
  const spatial = Math.floor(pairs / 3);
  const pairsPerAxis = [pairs - 2 * spatial, spatial, spatial];
  // Made in JavaScript is one small table per axis, [positions, pairs]; TensorFlow spreads it over the other two.
  const table = (fn: (angle: number) => number) =>
    tf.tidy(() => {
      const perAxis = grid.map((length, axis) => {
        const count = pairsPerAxis[axis]!;
        const angles = Float32Array.from({ length: length * count }, (_, i) => {
          const [position, pair] = [Math.floor(i / count), i % count];
          return position * BASE ** (-pair / count);
        });
        const shape = [1, 1, 1, count].with(axis, length);
        return tf.broadcastTo(tf.tensor(angles.map(fn), shape), [...grid, count]);
      });
      const half = tf.concat(perAxis, 3);
      return tf.reshape(tf.concat([half, half], 3), [-1, headDim]);
    });
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/** The rows of a table for the tokens kept in each example: [L, D], kept [B, K] int32 -> [B, K, D]. */
export function gatherRotary(rotary: Rotary, kept: tf.Tensor): Rotary {
  return { cos: tf.gather(rotary.cos, kept as tf.Tensor2D), sin: tf.gather(rotary.sin, kept as tf.Tensor2D) };
}

/**
 * Turns each pair (x_i, x_{i + D/2}) of x [B, N, L, D] by its token's angle; dot products of turned vectors depend on
 * the tokens' distance alone. Returns [B, N, L, D], owned by the caller. Throws if the table has other tokens.
 */
export function rotate(x: tf.Tensor, rotary: Rotary): tf.Tensor {
  const { B, L, D } = assertShape('rotate', 'x', x, ['B', 'N', 'L', 'D']);
  const perExample = rotary.cos.rank === 3;
  const shape = perExample ? [B, L, D] : [L, D];
  assertShape('rotate', 'rotary.cos', rotary.cos, shape);
  assertShape('rotate', 'rotary.sin', rotary.sin, shape);
  return tf.tidy(() => {
    const cos = perExample ? tf.expandDims(rotary.cos, 1) : rotary.cos;
    const sines = perExample ? tf.expandDims(rotary.sin, 1) : rotary.sin;
    const signs = tf.tensor1d(Float32Array.from({ length: D }, (_, i) => (i < D / 2 ? -1 : 1)));
    return tf.customGrad((input, save) => {
      const sin = tf.mul(sines, signs);
      (save as tf.GradSaveFunc)([cos, sin]);
      return {
        value: turn(input as tf.Tensor, cos, sin),
        // A rotation's transpose is the rotation back.
        gradFunc: (dy: tf.Tensor, [c, s]: tf.Tensor[]) => tf.tidy(() => turn(dy, c!, tf.neg(s!))),
      };
    })(x);
  });
}

/** x cos + (x with its halves swapped) sin, where sin is negative in the first half. Reversing two rows swaps fastest. */
function turn(x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor {
  const swapped = tf.reshape(tf.reverse(tf.reshape(x, [-1, 2, x.shape.at(-1)! / 2]), 1), x.shape);
  return tf.add(tf.mul(x, cos), tf.mul(swapped, sin));
}
