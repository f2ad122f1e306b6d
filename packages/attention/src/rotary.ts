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
  const [frames, rows, columns] = grid;
  const angles = new Float32Array(frames * rows * columns * headDim);
  let next = 0;
  for (let t = 0; t < frames; t++) {
    for (let h = 0; h < rows; h++) {
      for (let w = 0; w < columns; w++) {
        const turns = [t, h, w].flatMap((position, axis) => {
          const count = pairsPerAxis[axis]!;
          return Array.from({ length: count }, (_, pair) => position * BASE ** (-pair / count));
        });
        angles.set([...turns, ...turns], next);
        next += headDim;
      }
    }
  }
  return {
    cos: tf.tensor2d(angles.map(Math.cos), [frames * rows * columns, headDim]),
    sin: tf.tensor2d(angles.map(Math.sin), [frames * rows * columns, headDim]),
  };
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
  assertShape('rotate', 'rotary.cos', rotary.cos, perExample ? [B, L, D] : [L, D]);
  return tf.tidy(() => {
    const cos = perExample ? tf.expandDims(rotary.cos, 1) : rotary.cos;
    const sin = perExample ? tf.expandDims(rotary.sin, 1) : rotary.sin;
    const quarterTurn = quarterTurnMatrix(D);
    // cos x + sin (x turned by 90 degrees); one product is cheaper than cutting x in halves and joining them again.
    const turn = (value: tf.Tensor, sine: tf.Tensor) => {
      const turned = tf.reshape(tf.matMul(tf.reshape(value, [-1, D]), quarterTurn), x.shape);
      return tf.add(tf.mul(value, cos), tf.mul(turned, sine));
    };
    return tf.customGrad((input, save) => {
      (save as tf.GradSaveFunc)([cos, sin, quarterTurn]);
      return {
        value: turn(input as tf.Tensor, sin),
        // A rotation's transpose is the rotation back.
        gradFunc: (dy: tf.Tensor) => tf.tidy(() => turn(dy, tf.neg(sin))),
      };
    })(x);
  });
}

/** The matrix R [D, D] for which (x R)_i = -x_{i + D/2} in the first half and x_{i - D/2} in the second. */
function quarterTurnMatrix(D: number): tf.Tensor2D {
  const values = new Float32Array(D * D);
  for (let i = 0; i < D / 2; i++) {
    values[(i + D / 2) * D + i] = -1;
    values[i * D + i + D / 2] = 1;
  }
  return tf.tensor2d(values, [D, D]);
}
