import { createStream, randomNormal } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createObjective,
  DEFAULT_OBJECTIVE,
  DEFAULT_STEPS,
  type Network,
  sampleEuler,
  sampleFewStep,
  sampleHeun,
  sampleWithRenoising,
} from './index.ts';

const network: Network = ({ noisy }) => tf.mul(noisy, 0.5);
const stream = createStream(1);
const noise = randomNormal(stream, [2, 3]);
afterAll(() => noise.dispose());

describe('defaults', () => {
  it("the objective is EFlow's", () => {
    const drawn = (objective: ReturnType<typeof createObjective>) =>
      tf.tidy(() => {
        const { noise, jump, pathDropped } = objective.draw(createStream(2), [8, 3], objective.scheduleAt(1));
        return [noise, pathDropped, ...Object.values(jump!)].map((x) => [...x.dataSync()]);
      });
    expect(createObjective().scheduleAt(0.5)).toEqual(createObjective({ kind: 'eflow' }).scheduleAt(0.5));
    expect(drawn(createObjective())).toEqual(drawn(createObjective(DEFAULT_OBJECTIVE)));
  });

  it('samplers take the steps that DEFAULT_STEPS says, without a condition', () => {
    const run = { sampleFewStep, sampleEuler, sampleHeun };
    for (const [name, sample] of Object.entries(run)) {
      const { data, nfe } = sample(network, { noise });
      const steps = DEFAULT_STEPS[name as keyof typeof run];
      expect(nfe, name).toBe(name === 'sampleHeun' ? 2 * steps - 1 : steps);
      data.dispose();
    }
    const { data, nfe } = sampleWithRenoising(network, { noise, stream });
    expect(nfe).toBe(DEFAULT_STEPS.sampleWithRenoising);
    data.dispose();
  });
});

describe('a misspelt option is an error of the compiler, and names the nearest at run time', () => {
  it('of an objective and of its sections', () => {
    // @ts-expect-error: no option of it
    expect(() => createObjective({ kind: 'eflow', guidancescale: 2 })).toThrow(
      "createObjective: unknown option 'guidancescale'; did you mean 'guidanceScale'? Options: kind, ",
    );
    // @ts-expect-error: no option of it
    expect(() => createObjective({ kind: 'eflow', velocityTime: { men: 0 } })).toThrow(
      "createObjective: velocityTime: unknown option 'men'; did you mean 'mean'? Options: mean, std",
    );
    // @ts-expect-error: an option of another kind
    expect(() => createObjective({ kind: 'flowMatching', velocityRatio: 0.5 })).toThrow(
      "createObjective: unknown option 'velocityRatio'; did you mean ",
    );
  });

  it('of samplers, and of guidance', () => {
    // @ts-expect-error: no option of it
    expect(() => sampleFewStep(network, { noise, step: 4 })).toThrow(
      "sampleFewStep: unknown option 'step'; did you mean 'steps'? Options: noise, condition, steps, map, guidance, onStep, signal",
    );
    // @ts-expect-error: no option of it
    expect(() => sampleWithRenoising(network, { noise, stream, pth: 'linear' })).toThrow("did you mean 'path'");
    // @ts-expect-error: no option of it
    expect(() => sampleEuler(network, { noise, guidence: undefined })).toThrow("did you mean 'guidance'");
    const nullCondition = {};
    // @ts-expect-error: no option of it
    expect(() => sampleHeun(network, { noise, guidance: { scale: 2, nullCondition, week: network } })).toThrow(
      "sampleHeun: guidance: unknown option 'week'; did you mean 'weak'?",
    );
  });

  it('and leaves no tensor', () => {
    const before = tf.memory().numTensors;
    expect(() => sampleEuler(network, { noise, numSteps: 4 } as never)).toThrow('unknown option');
    expect(tf.memory().numTensors).toBe(before);
  });
});
