import { disposeTree, valueAndGrad } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  caseBatch,
  caseNetworks,
  caseObjective,
  caseParams,
  caseSample,
  fixture,
  type ObjectiveCase,
  type TrajectoryCase,
} from '../fixtures/cases.ts';
import { sampleEuler, sampleFewStep, sampleHeun } from './samplers.ts';

/** Relative to the largest number of a part. What float32 rounds of predicted data is divided by times down to 0.05. */
const TOLERANCES = { loss: 1e-5, lossOfData: 5e-5, trajectory: 1e-6 };
/** Float32 rounds N at some 2^-24 of it, and the solution map's residual has the difference of two N divided by t - l. */
const CLOSE_TIMES: Record<string, number> = { 't - l = 2^-10': 2e-4, 't - l = 2^-13': 2e-3 };

type Numbers = Record<string, ArrayLike<number>>;

/** The losses, terms and gradients of a case. */
function computeObjective(one: ObjectiveCase): Numbers {
  const params = caseParams(one.name);
  const { batch, draws } = caseBatch(one);
  const { values, grads } = valueAndGrad(() => {
    const schedule = { intervalRatio: 1, guidanceScale: one.guidanceScale };
    const objective = caseObjective(one);
    const networks = caseNetworks(params, one, objective.map);
    const { loss, lossPerExample, terms } = objective.loss(networks, batch, draws, schedule);
    return { loss, lossPerExample, ...terms };
  }, params);
  const gradients = Object.entries(grads).map(([part, grad]) => [`gradient of ${part}`, grad] as const);
  const numbers = [...Object.entries(values), ...gradients].map(([part, x]) => [part, x.dataSync()]);
  disposeTree([values, grads, params, batch, draws]);
  return Object.fromEntries(numbers);
}

/** x after every step of a case, and the passes. */
function computeTrajectory(one: TrajectoryCase): Numbers {
  const params = caseParams(one.name);
  const { strong, weak } = caseNetworks(params, one, one.map);
  const { nullCondition, ...start } = caseSample(one);
  const states: number[] = [];
  const input = { ...start, onStep: ({ x }: { x: tf.Tensor }) => states.push(...x.dataSync()) };
  const { reference, scale } = one.guidance ?? { scale: 1 };
  const guidance = { scale, nullCondition, ...(reference === 'weak-path' && { weak }) };
  const { data, nfe, weakNfe } = {
    fewStep: () => sampleFewStep(strong, input),
    euler: () => sampleEuler(strong, { ...input, guidance }),
    heun: () => sampleHeun(strong, { ...input, guidance }),
  }[one.sampler]();
  expect([...data.dataSync()]).toEqual(states.slice(-data.size));
  tf.dispose([data, params, start.noise, start.condition, nullCondition]);
  return { states, passes: [nfe, weakNfe] };
}

/** Fails unless both have the same parts, each of them within the tolerance, relative to the part's largest magnitude. */
function expectStored(actual: Numbers, expected: Numbers, tolerance: number): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [part, values] of Object.entries(expected)) {
    const largest = Math.max(...Array.from(values, Math.abs));
    try {
      expectClose(actual[part]!, values, { rtol: 0, atol: tolerance * largest });
    } catch (error) {
      throw new Error(`${part}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

describe('PyTorch in float64 and', () => {
  it.each(fixture.objectives)('the loss: $name', (one) => {
    const before = tf.memory().numTensors;
    expectStored(
      computeObjective(one),
      one.expected,
      CLOSE_TIMES[one.draws] ?? (one.predicts ? TOLERANCES.lossOfData : TOLERANCES.loss),
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each(fixture.trajectories)('the sampler: $name', (one) => {
    const before = tf.memory().numTensors;
    expectStored(computeTrajectory(one), one.expected, TOLERANCES.trajectory);
    expect(tf.memory().numTensors).toBe(before);
  });
});
