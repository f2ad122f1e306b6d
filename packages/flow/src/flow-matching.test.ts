import { createStream, randomNormal } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { expectRows, velocityRow } from '../fixtures/float64-rows.ts';
import { expectPasses } from '../fixtures/watch-passes.ts';
import { FLOW_MATCHING_DEFAULTS, flowMatching, velocityTerm } from './flow-matching.ts';
import { meanSquarePerExample } from './loss-terms.ts';

describe('flowMatching', () => {
  it.each([{}, { weightPower: 0 }, { classDropoutProb: 0.4, pathDropProb: 0.4 }])(
    'is the velocity against noise - data in float64, gradients too: %j',
    (change) => {
      const options = { ...FLOW_MATCHING_DEFAULTS, ...change };
      expectRows(flowMatching(options), (row, N, still) => velocityRow(row, row.v, N, still, options));
    },
  );

  it('takes one pass, with gradient', () => {
    expectPasses(flowMatching(FLOW_MATCHING_DEFAULTS), ['strong 12 with gradient']);
    expectPasses(flowMatching({ ...FLOW_MATCHING_DEFAULTS, pathDropProb: 0.5 }), ['strong 12 with gradient']);
  });

  it('has nothing to schedule, and no jumps', () => {
    const objective = flowMatching(FLOW_MATCHING_DEFAULTS);
    expect([0, 0.5, 1].map(objective.scheduleAt)).toEqual(Array(3).fill({ intervalRatio: 1, guidanceScale: 1 }));
    const draws = objective.draw(createStream(1), [5, 3], objective.scheduleAt(0));
    expect(draws.jump).toBeUndefined();
    expect(draws.velocityTimestep.shape).toEqual([5]);
  });
});

describe('velocityTerm', () => {
  const [prediction, target] = [randomNormal(createStream(1), [3, 5]), randomNormal(createStream(2), [3, 5])];

  it.each([
    ['euler', 1],
    ['trigonometric', Math.PI / 2],
  ] as const)('of the %s map is w(d) d^2 / %d with d = N dB/ds - v*', (map, factor) => {
    const term = (power: number) => velocityTerm(prediction, target, { map, weightPower: power, weightEps: 0.01 });
    const squares = Array.from(meanSquarePerExample(tf.sub(tf.mul(prediction, factor), target)).dataSync());
    for (const power of [0, 1]) {
      expectClose(
        term(power).lossPerExample,
        squares.map((m) => m / (m + 0.01) ** power / factor),
      );
      expectClose(term(power).meanSquare, [squares.reduce((sum, m) => sum + m) / 3]);
      expectNoLeak(() => Object.values(term(power)));
    }
  });
});
