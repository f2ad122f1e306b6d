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
import { splitMeanFlowKind } from './split-mean-flow.ts';

const specWith = (change = {}) => splitMeanFlowKind.schema.parse({ kind: 'splitMeanFlow', ...change });
const splitMeanFlow = (change = {}) => splitMeanFlowKind.create(specWith(change));
type SplitMeanFlowOptions = ReturnType<typeof specWith>;

/** (t - s) u(x_t, t, s) against (t - m) u(x_t, t, m) + (m - s) u(x_m, m, s), per unit of time, in float64. */
const rowLoss =
  (o: SplitMeanFlowOptions): RowLoss =>
  (row, N, still) => {
    const { x, t, y } = row;
    if (!row.jump) return velocityRow(row, targetOf(row, still, still(x, t, t, NULL_LABEL, true, 1), o), N, still, o);
    const { s, m } = row.jump;
    const first = still(x, t, m, y, true);
    const second = still(along(x, m - t, first), m, s, y, true);
    const share = (m - s) / (t - s);
    const short = first.map((value, i) => (1 - share) * value + share * second[i]!);
    const defect = (predict: typeof N) => along(short, -1, predict(x, t, s, y, true));
    return {
      loss: weight(defect(still), o) * meanSquare(defect(N)),
      terms: { additivityLoss: meanSquare(defect(still)) },
    };
  };

describe('splitMeanFlow', () => {
  it.each<Partial<SplitMeanFlowOptions>>([
    {},
    { guidanceScale: 1 },
    { targetMixRatio: 1 },
    { guidanceScale: { min: 1, max: 4, default: 2 } },
    { weightPower: 0.5, velocityRatio: 0.5 },
    { classDropoutProb: 0.4, pathDropProb: 0.4 },
  ])('is its equations in float64, gradients too: %j', (change) => {
    const options = specWith({ classDropoutProb: 0.2, pathDropProb: 0.2, ...change });
    expectRows(splitMeanFlowKind.create(options), rowLoss(options));
  });

  it('is its equations on N of predicted data', () => {
    const options = specWith({ classDropoutProb: 0.2, pathDropProb: 0.2 });
    expectRows(splitMeanFlowKind.create(options), rowLoss(options), { predicts: 'data' });
  });

  const all = 'strong 12 with gradient';
  it.each([
    [{}, [all, 'strong 9', 'strong 3', 'strong 3']],
    [{ targetMixRatio: 1 }, [all, 'strong 9', 'strong 3', 'strong 3']],
    [{ guidanceScale: 1 }, [all, 'strong 3', 'strong 3']],
  ])('takes these passes: %j', (change, passes) => {
    expectPasses(splitMeanFlow(change), passes);
  });

  it('schedules its guidance', () => {
    const objective = splitMeanFlow({ guidanceWarmup: 0.5 });
    expect([0, 0.25, 0.5, 1].map((progress) => objective.scheduleAt(progress).guidanceScale)).toEqual([1, 2, 3, 3]);
  });
});
