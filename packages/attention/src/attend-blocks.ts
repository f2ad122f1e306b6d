import { type Fusible, fuse, placeBehind } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Below every score, and finite: exp(FLOOR - score) is 0 where exp(-Infinity - score) could be NaN. */
const FLOOR = -3e38;

/**
 * softmax(q k^T) v as `attend` gives it, for q, scaled already, k and v [B, N, L, D], in memory O(L): the scores of one block
 * of queries and one of keys at a time, with a running maximum and a running sum (Milakov & Gimelshein, arXiv
 * 1805.02867). The gradient keeps q, k, v, the output and the logarithm of each row's sum, and makes the weights again,
 * block by block (Dao et al., arXiv 2205.14135, algorithm 4). Returns [B, N, L, D], owned by the caller.
 */
export function attendBlocks(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, blockSize: number): tf.Tensor {
  return tf.customGrad((...args) => {
    const [queries, keys, values] = args as [tf.Tensor, tf.Tensor, tf.Tensor];
    const { output, logSums } = tf.tidy(() => forward(queries, keys, values, blockSize));
    (args.at(-1) as tf.GradSaveFunc)([queries, keys, values, output, logSums]);
    return {
      value: output,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => backward(dy, saved, blockSize)),
    };
  })(q, k, v);
}

function forward(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, blockSize: number) {
  const [keys, values] = [cut(k, blockSize), cut(v, blockSize)];
  let last = q; // nothing of a pair of blocks is made before the pair ahead of it is done
  const rows = cut(q, blockSize).map((queries) => {
    const perRow = [...queries.shape.slice(0, 3), 1];
    let row = { max: tf.fill(perRow, FLOOR), sum: tf.zeros(perRow), output: tf.zerosLike(queries) };
    keys.forEach((blockKeys, j) => {
      const before = row;
      row = tf.tidy(() => {
        const scores = tf.matMul(placeBehind(last, queries), blockKeys, false, true);
        const [weights, max, sum, shrink] = fuse(extendRow, scores, before.max, before.sum);
        const output = tf.add(tf.mul(before.output, shrink!), tf.matMul(weights!, values[j]!));
        return { max: max!, sum: sum!, output };
      });
      tf.dispose(before);
      last = row.output;
    });
    return { output: tf.div(row.output, row.sum), logSums: tf.add(row.max, tf.log(row.sum)) };
  });
  return { output: join(rows.map(({ output }) => output)), logSums: join(rows.map(({ logSums }) => logSums)) };
}

/** Adds a block's scores to its rows' maxima and sums. The last result is the factor by which to rescale the earlier sums. */
const extendRow: Fusible = (scores, max, sum) => {
  const nextMax = tf.maximum(max!, tf.max(scores!, -1, true));
  const weights = tf.exp(tf.sub(scores!, nextMax));
  const shrink = tf.exp(tf.sub(max!, nextMax));
  return [weights, nextMax, tf.add(tf.mul(sum!, shrink), tf.sum(weights, -1, true)), shrink];
};

function backward(dy: tf.Tensor, saved: tf.Tensor[], blockSize: number): tf.Tensor[] {
  const [q, k, v, output, logSums] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const [queries, keys, values, dOutput] = [
    cut(q, blockSize),
    cut(k, blockSize),
    cut(v, blockSize),
    cut(dy, blockSize),
  ];
  const rowSums = cut(logSums, blockSize);
  const meanSlopes = cut(tf.sum(tf.mul(dy, output), -1, true), blockSize);
  const sums = { q: queries.map(zerosLike), k: keys.map(zerosLike), v: values.map(zerosLike) };
  let last = dy;
  for (let i = 0; i < queries.length; i++) {
    for (let j = 0; j < keys.length; j++) {
      const before = { q: sums.q[i]!, k: sums.k[j]!, v: sums.v[j]! };
      const after = tf.tidy(() => {
        const [blockQueries, slopes] = [placeBehind(last, queries[i]!), placeBehind(last, dOutput[i]!)];
        const scores = tf.matMul(blockQueries, keys[j]!, false, true);
        const dWeights = tf.matMul(slopes, values[j]!, false, true);
        const [weights, dScores] = fuse(blockGradient, scores, dWeights, rowSums[i]!, meanSlopes[i]!);
        return {
          q: tf.add(before.q, tf.matMul(dScores!, keys[j]!)),
          k: tf.add(before.k, tf.matMul(dScores!, blockQueries, true, false)),
          v: tf.add(before.v, tf.matMul(weights!, slopes, true, false)),
        };
      });
      tf.dispose(before);
      [sums.q[i], sums.k[j], sums.v[j]] = [after.q, after.k, after.v];
      last = after.k;
    }
  }
  return [join(sums.q), join(sums.k), join(sums.v)];
}

/** A block's weights, and the gradient of its scores. */
const blockGradient: Fusible = (scores, dWeights, logSum, meanSlope) => {
  const weights = tf.exp(tf.sub(scores!, logSum!));
  return [weights, tf.mul(weights, tf.sub(dWeights!, meanSlope!))];
};

const zerosLike = (x: tf.Tensor) => tf.zerosLike(x);

/** Stretches of x along L, about equally long, of blockSize tokens at most. */
function cut(x: tf.Tensor, blockSize: number): tf.Tensor[] {
  const L = x.shape[2]!;
  const blocks = Math.ceil(L / blockSize);
  const starts = Array.from({ length: blocks + 1 }, (_, i) => Math.round((i * L) / blocks));
  const lengths = starts.slice(1).map((end, i) => end - starts[i]!);
  return tf.split(x, lengths, 2);
}

const join = (blocks: tf.Tensor[]) => tf.concat(blocks, 2);
