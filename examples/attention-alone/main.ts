import '@tensorflow/tfjs-backend-cpu';
import { attention, rotaryTable } from '@eflow/attention';
import { adamW } from '@eflow/optim';
import { createStream, disposeTree, randomNormal, splitStream, valueAndGrad } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

// A model of your own around one kernel. Its task: bring every token the value of the token before it.
const [B, L, N, D] = [8, 16, 2, 8] as const; // sequences, tokens, heads, head dimension
const [valueSize, E] = [4, N * D] as const;
const draw = (name: string, shape: number[], scale = 1) =>
  tf.tidy(() => tf.mul(randomNormal(splitStream(createStream(1), name), shape), scale));

let params = {
  embed: draw('embed', [valueSize + 1, E], 0.5),
  qkvGate: draw('qkvGate', [E, 3 * E + N], 0.25),
  out: draw('out', [E, valueSize], 0.25),
};
const rotary = rotaryTable([L, 1, 1], D); // where a token is, in frames, rows and columns

/** Tokens [B, L, valueSize] to as many predictions. */
function model({ embed, qkvGate, out }: typeof params, tokens: tf.Tensor): tf.Tensor {
  const linear = (x: tf.Tensor, weight: tf.Tensor) =>
    tf.reshape(tf.matMul(tf.reshape(x, [B * L, -1]), weight), [B, L, -1]);
  const heads = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [B, L, N, -1]), [0, 2, 1, 3]); // [B, N, L, D]
  const withOne = tf.concat([tokens, tf.ones([B, L, 1])], 2); // so that q and k can tell places apart
  const projected = linear(linear(withOne, embed), qkvGate);
  const [q, k, v, gate] = tf.split(projected, [E, E, E, N], 2).map(heads);
  const mixed = attention({ kind: 'glga', windowSize: 1 }, { q: q!, k: k!, v: v!, gate: tf.sigmoid(gate!), rotary });
  return linear(tf.transpose(mixed, [0, 2, 1, 3]), out);
}

const optimizer = adamW({ learningRate: 2e-2 });
let moments = optimizer.init(params);
for (let step = 0; step <= 200; step++) {
  const next = tf.tidy(() => {
    const tokens = draw(`tokens ${step}`, [B, L, valueSize]);
    const previous = tf.concat([tf.zeros([B, 1, valueSize]), tf.slice(tokens, [0, 0, 0], [B, L - 1, valueSize])], 1);
    const lossOf = () => tf.mean<tf.Scalar>(tf.squaredDifference(model(params, tokens), previous));
    const { values, grads } = valueAndGrad(() => ({ loss: lossOf() }), params); // neither is the tidy's
    if (step % 20 === 0) console.log(`step ${step}: loss ${values.loss.dataSync()[0]!.toFixed(3)}`);
    const updated = optimizer.update(grads, moments, params, optimizer.coefficients(step));
    disposeTree([values, grads]);
    return updated;
  });
  disposeTree([params, moments]);
  ({ params, state: moments } = next);
}
