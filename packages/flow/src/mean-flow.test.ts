import { describe, expect, it } from 'vitest';
import {
  along,
  expectRows,
  meanSquare,
  type RowLoss,
  targetOf,
  velocityRow,
  weight,
} from '../fixtures/float64-rows.ts';
import { NULL_LABEL } from '../fixtures/toy-network.ts';
import { expectPasses } from '../fixtures/watch-passes.ts';
import { meanFlowKind } from './mean-flow.ts';

const specWith = (change = {}) => meanFlowKind.schema.parse({ kind: 'meanFlow', ...change });
const meanFlow = (change = {}) => meanFlowKind.create(specWith(change));
type MeanFlowOptions = ReturnType<typeof specWith>;

/** MeanFlow's target with du/dt as a difference of `step` to both sides, in float64. */
const rowLoss =
  (o: MeanFlowOptions, step = o.differenceStep): RowLoss =>
  (row, N, still) => {
    const { x, t, y } = row;
    const target = targetOf(row, still, still(x, t, t, NULL_LABEL, true, 1), o);
    if (!row.jump) return velocityRow(row, target, N, still, o);
    const { s } = row.jump;
    const moved = (by: number) => still(along(x, by, target), t + by, s, y, true);
    const derivative = along(moved(step), -1, moved(-step)).map((value) => value / (2 * step));
    const residual = (predict: typeof N) => along(predict(x, t, s, y, true), -1, along(target, s - t, derivative));
    return {
      loss: weight(residual(still), o) * meanSquare(residual(N)),
      terms: { meanVelocityLoss: meanSquare(residual(still)) },
    };
  };

describe('meanFlow', () => {
  it.each<Partial<MeanFlowOptions>>([
    {},
    { differenceStep: 0.1 },
    { guidanceScale: 1 },
    { targetMixRatio: 1 },
    { guidanceScale: { min: 1, max: 4, default: 2 } },
    { weightPower: 0.5, velocityRatio: 0.5 },
    { classDropoutProb: 0.4, pathDropProb: 0.4 },
  ])('is its equations in float64, gradients too: %j', (change) => {
    const options = specWith({ classDropoutProb: 0.2, pathDropProb: 0.2, ...change });
    expectRows(meanFlowKind.create(options), rowLoss(options));
  });

  it('is its equations on N of predicted data', () => {
    const options = specWith({ classDropoutProb: 0.2, pathDropProb: 0.2 });
    expectRows(meanFlowKind.create(options), rowLoss(options), { predicts: 'data' });
  });

  it('has the derivative of the paper up to the square of its step', () => {
    // A step of 1e-5 in float64 stands for the derivative; the default one is off by h^2 / 6 times the third derivative.
    const options = specWith({ guidanceScale: 1, targetMixRatio: 1 });
    expectRows(meanFlowKind.create(options), rowLoss(options, 1e-5));
  });

  const all = 'strong 12 with gradient';
  it.each([
    [{}, [all, 'strong 3', 'strong 12', 'strong 6']],
    [{ targetMixRatio: 1 }, [all, 'strong 12', 'strong 6']],
    [{ guidanceScale: 1 }, [all, 'strong 3', 'strong 6']],
    [{ targetMixRatio: 1, guidanceScale: 1 }, [all, 'strong 6']],
  ])('takes these passes: %j', (change, passes) => {
    expectPasses(meanFlow(change), passes);
  });

  it('schedules its guidance', () => {
    const objective = meanFlow({ guidanceWarmup: 0.5 });
    expect([0, 0.25, 0.5, 1].map((progress) => objective.scheduleAt(progress).guidanceScale)).toEqual([1, 2, 3, 3]);
  });
});
