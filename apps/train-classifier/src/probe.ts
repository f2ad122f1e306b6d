import { createMovingDigits, makeBatch, normalizePixels } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { loadTree } from '@eflow/checkpoint';
import { classAccuracy, digitsClassifier, finishStatistics, frameConsistency, frechetDistance, initDigitsClassifier, mergeSums, sumFeatures } from '@eflow/fvd';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { CLIPS } from './clips.ts';
await useTensorFlow();
for (const file of process.argv.slice(2)) {
  const params = await loadTree(file, initDigitsClassifier(createStream(0)));
  const run = (seed: number, split: 'held-out'|'train', change: (x: tf.Tensor, i: number) => tf.Tensor) => {
    const ds = createMovingDigits({ ...CLIPS, split, seed });
    let sums = sumFeatures(new Float32Array(0), 64); const lg: number[] = [], fl: number[] = [], lb: number[] = [];
    for (let i = 0; i < 5; i++) tf.tidy(() => { const b = makeBatch(ds, 200, i); const o = digitsClassifier(params, change(tf.tensor(normalizePixels(b.pixels), [200, 8, 16, 16, 1]), i)); sums = mergeSums(sums, sumFeatures(o.features.dataSync() as Float32Array, 64)); lg.push(...o.logits.dataSync()); fl.push(...o.frameLogits.dataSync()); lb.push(...b.labels); });
    return { st: finishStatistics(sums, 'N-1'), acc: classAccuracy(Float32Array.from(lg), 10, lb), cons: frameConsistency(Float32Array.from(fl), 8, 10), facc: classAccuracy(Float32Array.from(fl), 10, lb.flatMap((l) => Array(8).fill(l))) };
  };
  const id = (x: tf.Tensor) => x;
  const ref = run(0, 'held-out', id);
  console.log(file, 'trace', [...Array(64).keys()].reduce((s, i) => s + ref.st.covariance[i * 65]!, 0).toFixed(2));
  const noise = (sd: number) => (x: tf.Tensor, i: number) => tf.add(x, tf.mul(randomNormal(splitStream(createStream(3), i), x.shape), sd));
  const cases: [string, (x: tf.Tensor, i: number) => tf.Tensor][] = [
    ['real', id],
    ['shuffled', (x) => tf.gather(x, [3, 0, 6, 2, 7, 5, 1, 4], 1)],
    ['every frame = first', (x) => tf.gather(x, [0, 0, 0, 0, 0, 0, 0, 0], 1)],
    ['other clip from frame 4', (x) => tf.concat([tf.slice(x, [0, 0, 0, 0, 0], [200, 4, 16, 16, 1]), tf.reverse(tf.slice(x, [0, 4, 0, 0, 0], [200, 4, 16, 16, 1]), 0)], 1)],
    ['noise 0.05', noise(0.05)], ['noise 0.1', noise(0.1)], ['noise 0.3', noise(0.3)],
    ['contrast 0.7', (x) => tf.sub(tf.mul(tf.add(x, 1), 0.7), 1)],
    ['blur 3x3', (x) => tf.reshape(tf.avgPool(tf.reshape(x, [1600, 16, 16, 1]) as tf.Tensor4D, 3, 1, 'same'), x.shape)],
    ['dots', (x) => tf.where(tf.less(tf.abs(noise(1)(tf.zerosLike(x), 5)), 0.02), tf.onesLike(x), x)],
  ];
  for (const [name, change] of cases) { const r = run(1, 'held-out', change); console.log(name.padEnd(26), frechetDistance(ref.st, r.st).toFixed(3).padStart(9), ' acc', r.acc.toFixed(4), 'frame acc', r.facc.toFixed(4), 'consistency', r.cons.toFixed(3)); }
}
