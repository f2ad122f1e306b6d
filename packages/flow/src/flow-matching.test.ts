import { createStream } from '@eflow/tensor';
import { describe, expect, it } from 'vitest';
import { expectRows, type RowLoss, velocityRow } from '../fixtures/float64-rows.ts';
import { expectPasses } from '../fixtures/watch-passes.ts';
import { flowMatchingKind } from './flow-matching.ts';

const specWith = (change = {}) => flowMatchingKind.schema.parse({ kind: 'flowMatching', ...change });
const flowMatching = (change = {}) => flowMatchingKind.create(specWith(change));

describe('flowMatching', () => {
  it.each([{}, { weightPower: 0 }, { classDropoutProb: 0.4, pathDropProb: 0.4 }])(
    'is the velocity against noise - data in float64, gradients too: %j',
    (change) => {
      const options = specWith(change);
      expectRows(flowMatchingKind.create(options), (row, N, still) => velocityRow(row, row.v, N, still, options));
    },
  );

  it('is that of the velocity that predicted data stand for', () => {
    const options = specWith({ pathDropProb: 0.4 });
    const rowLoss: RowLoss = (row, N, still) => velocityRow(row, row.v, N, still, options);
    expectRows(flowMatchingKind.create(options), rowLoss, { predicts: 'data' });
  });

  it('takes one pass, with gradient', () => {
    expectPasses(flowMatching(), ['strong 12 with gradient']);
    expectPasses(flowMatching({ pathDropProb: 0.5 }), ['strong 12 with gradient']);
  });

  it('has nothing to schedule, and no jumps', () => {
    const objective = flowMatching();
    expect([0, 0.5, 1].map(objective.scheduleAt)).toEqual(Array(3).fill({ intervalRatio: 1, guidanceScale: 1 }));
    const draws = objective.draw(createStream(1), [5, 3], objective.scheduleAt(0));
    expect(draws.jump).toBeUndefined();
    expect(draws.velocityTimestep.shape).toEqual([5]);
  });
});
