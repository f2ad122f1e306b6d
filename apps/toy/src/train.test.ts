import { createStream, disposeTree, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { drawCheckerboard } from './checkerboard.ts';
import { energyDistance } from './energy-distance.ts';
import { bindMlp, initMlp, type MlpParams } from './mlp.ts';
import { samplePoints } from './sample.ts';
import { KINDS, type Kind, OBJECTIVES, WEIGHT_POWER } from './settings.ts';
import { train } from './train.ts';

const UNWEIGHTED = { weightPower: WEIGHT_POWER };
const read = (params: MlpParams) => params.flatMap(({ weight, bias }) => [...weight.dataSync(), ...bias.dataSync()]);

/** Energy distance of 997 points, of `numSteps` steps, to as many of the data. */
function measure(params: MlpParams, kind: Kind, numSteps: number): number {
  return tf.tidy(() => {
    const [data, noise] = ['data', 'noise'].map((label) => splitStream(createStream(11), label));
    const points = samplePoints(bindMlp(params), kind, randomNormal(noise!, [997, 2]), numSteps);
    return energyDistance(points, drawCheckerboard(data!, 997).dataSync());
  });
}

it.each(KINDS)('%s: 30 steps are finite and the same again, and leave no tensor', async (kind) => {
  const spec = { ...OBJECTIVES[kind].spec, ...UNWEIGHTED };
  const run = async (seed: number) => {
    const before = tf.memory().numTensors;
    const losses: number[] = [];
    const params = await train(spec, { steps: 30, seed }, (_, loss) => losses.push(loss));
    const weights = read(params);
    disposeTree(params);
    expect(tf.memory().numTensors).toBe(before);
    return { losses, weights };
  };
  const first = await run(7);
  expect(first.losses).toHaveLength(30);
  expect([...first.losses, ...first.weights].every(Number.isFinite)).toBe(true);
  expect(await run(7)).toEqual(first);
  expect((await run(8)).losses).not.toEqual(first.losses);
});

it('flow matching learns the board: its points are far nearer than those of an untrained network', async () => {
  const spec = { ...OBJECTIVES.flowMatching.spec, ...UNWEIGHTED };
  const untrained = initMlp(createStream(7));
  const before = measure(untrained, 'flowMatching', 50);
  disposeTree(untrained);
  const params = await train(spec, { steps: 600, seed: 7 }, () => {});
  const after = measure(params, 'flowMatching', 50);
  disposeTree(params);
  expect(after).toBeLessThan(before / 3);
});

it('eflow learns to jump: two jumps are nearer than two Euler steps of the same network', async () => {
  const params = await train({ ...OBJECTIVES.eflow.spec, ...UNWEIGHTED }, { steps: 500, seed: 7 }, () => {});
  const [jumps, euler] = [measure(params, 'eflow', 2), measure(params, 'flowMatching', 2)];
  disposeTree(params);
  expect(jumps).toBeLessThan(euler / 3);
});

it('stops with a clear error at a loss that is not finite, and leaves no tensor', async () => {
  const spec = { ...OBJECTIVES.flowMatching.spec, weightPower: 1000 }; // (mean(d^2) + eps)^-1000 is beyond float32
  await expect(train(spec, { steps: 2, seed: 1 }, () => {})).rejects.toThrow(
    'flowMatching: at step 0 the loss is Infinity',
  );
  const before = tf.memory().numTensors;
  await expect(train(spec, { steps: 2, seed: 1 }, () => {})).rejects.toThrow('step 0');
  expect(tf.memory().numTensors).toBe(before);
});
