import { describe, expect, it } from 'vitest';
import {
  along,
  expectRows,
  mean,
  meanSquare,
  type RowLoss,
  targetOf,
  velocityRow,
  weight,
} from '../fixtures/float64-rows.ts';
import { NULL_LABEL } from '../fixtures/toy-network.ts';
import { expectPasses } from '../fixtures/watch-passes.ts';
import { eflowKind, solutionFlowKind } from './solution-flow.ts';

const specWith = (change = {}) => eflowKind.schema.parse({ kind: 'eflow', ...change });
const eflow = (change = {}) => eflowKind.create(specWith(change));
const solutionFlow = (change = {}) =>
  solutionFlowKind.create(solutionFlowKind.schema.parse({ kind: 'solutionFlow', ...change }));
type EflowOptions = ReturnType<typeof specWith>;
const RANGE = { min: 1, max: 4, default: 2 };

/** The loss of a row from method and paper: plain differences of maps, in float64. */
const rowLoss =
  (o: EflowOptions): RowLoss =>
  (row, N, still) => {
    const { x, t, y, labelOrNull } = row;
    const reference =
      o.guidanceReference === 'weak-path'
        ? still(x, t, t, o.weakCondition === 'null' ? NULL_LABEL : labelOrNull, false, 1)
        : still(x, t, t, NULL_LABEL, true, 1);
    const target = targetOf(row, still, reference, o);
    if (!row.jump) return velocityRow(row, target, N, still, o);
    const { s, l, m } = row.jump;
    const long = (predict: typeof N) => along(x, s - t, predict(x, t, s, y, true));

    const near = along(x, l - t, target);
    const aim = along(near, s - l, still(near, l, s, y, true));
    const quotient = along(long(still), -1, aim).map((value) => value / (t - l));
    const surrogate = -mean(N(x, t, s, y, true).map((value, i) => value * quotient[i]! * weight(quotient, o)));

    const middle = along(x, m - t, still(x, t, m, y, true));
    const short = along(middle, s - m, still(middle, m, s, y, true));
    const defect = (predict: typeof N) => along(long(predict), -1, short).map((value) => value / (t - s));
    const additivity = weight(defect(still), o) * meanSquare(defect(N));
    return {
      loss: surrogate + o.additivityWeight * additivity,
      terms: {
        solutionLoss: meanSquare(quotient),
        ...(o.additivityWeight > 0 && { additivityLoss: meanSquare(defect(still)) }),
      },
    };
  };

describe('eflow', () => {
  it.each<[string, Partial<EflowOptions>]>([
    ['the defaults', {}],
    ['a weak path that sees the condition', { weakCondition: 'same' }],
    ['a full pass for the reference', { guidanceReference: 'unconditional' }],
    [
      'a full pass, and a weak path that is trained with the condition',
      { guidanceReference: 'unconditional', weakCondition: 'same' },
    ],
    ['no guidance', { guidanceScale: 1 }],
    ['the guided velocity alone', { targetMixRatio: 1, guidanceScale: 2 }],
    ['the scale as an input', { guidanceScale: RANGE }],
    ['the scale as an input, by a weak path that sees the condition', { guidanceScale: RANGE, weakCondition: 'same' }],
    [
      'the scale as an input, by a full pass, without a mixture',
      { guidanceScale: RANGE, guidanceReference: 'unconditional', targetMixRatio: 1 },
    ],
    ['no additivity', { additivityWeight: 0 }],
    ['strong additivity, power 1/2', { additivityWeight: 3, weightPower: 0.5 }],
    ['neither own velocity nor additivity', { additivityWeight: 0, targetMixRatio: 1 }],
    ['many drops', { classDropoutProb: 0.5, pathDropProb: 0.6 }],
    ['half and half', { velocityRatio: 0.5 }],
  ])('is its equations in float64, gradients too: %s', (_case, change) => {
    const options = specWith({ pathDropProb: 0.3, classDropoutProb: 0.2, ...change });
    expectRows(eflowKind.create(options), rowLoss(options), { weakCondition: options.weakCondition });
  });

  it.each(['null', 'same'] as const)('is its equations on N of predicted data, weakCondition %s', (weakCondition) => {
    const options = specWith({ pathDropProb: 0.3, classDropoutProb: 0.2, weakCondition });
    expectRows(eflowKind.create(options), rowLoss(options), { weakCondition, predicts: 'data' });
  });

  const all = 'strong 12 with gradient';
  it.each<[string, Partial<EflowOptions>, string[]]>([
    ['the defaults', {}, [all, 'strong 6', 'weak 12', 'strong 6']],
    ['weakCondition: same', { weakCondition: 'same' }, [all, 'strong 6', 'weak 12', 'strong 6']],
    [
      'guidanceReference: unconditional',
      { guidanceReference: 'unconditional' },
      [all, 'strong 6', 'strong 12', 'strong 6'],
    ],
    ['guidanceScale: 1', { guidanceScale: 1 }, [all, 'strong 6', 'strong 6']],
    ['a range of scales', { guidanceScale: RANGE }, [all, 'strong 6', 'weak 12', 'strong 6']],
    ['targetMixRatio: 1', { targetMixRatio: 1 }, [all, 'strong 3', 'weak 12', 'strong 6']],
    ['additivityWeight: 0', { additivityWeight: 0 }, [all, 'strong 3', 'weak 12', 'strong 3']],
    ['both', { additivityWeight: 0, targetMixRatio: 1 }, [all, 'weak 12', 'strong 3']],
    ['all three', { additivityWeight: 0, targetMixRatio: 1, guidanceScale: 1 }, [all, 'strong 3']],
    ['velocityRatio: 0.5', { velocityRatio: 0.5 }, [all, 'strong 12', 'weak 12', 'strong 12']],
  ])('takes these passes: %s', (_case, change, passes) => {
    expectPasses(eflow(change), passes);
  });

  it('takes no pass for guidance that has not begun, as numbers', () => {
    const objective = eflow({ guidanceWarmup: 0.5 });
    expect(objective.scheduleAt(0).guidanceScale).toBe(1);
    expect(objective.scheduleAt(0.25).guidanceScale).toBe(2);
    expect(objective.scheduleAt(0.5)).toEqual({ guidanceScale: 3, intervalRatio: Math.sqrt(0.1 * 0.002) });
  });

  it('trains with the interval of its schedule', () => {
    const objective = eflow();
    expect(objective.scheduleAt(0).intervalRatio).toBe(0.1);
    expect(objective.scheduleAt(1).intervalRatio).toBeCloseTo(0.002, 12);
  });
});

describe('solutionFlow', () => {
  const asEflow = {
    ...specWith(),
    guidanceReference: 'unconditional' as const,
    weakCondition: 'null' as const,
    additivityWeight: 0,
  };

  it.each([{}, { guidanceScale: 1 }, { guidanceScale: RANGE }, { targetMixRatio: 1 }, { pathDropProb: 0.5 }])(
    'is its equations in float64, gradients too: %j',
    (change) => {
      expectRows(solutionFlow(change), rowLoss({ ...asEflow, ...change }));
    },
  );

  it('is its equations on N of predicted data', () => {
    expectRows(solutionFlow(), rowLoss(asEflow), { predicts: 'data' });
  });

  const all = 'strong 12 with gradient';
  it.each([
    [{}, [all, 'strong 3', 'strong 12', 'strong 3']],
    [{ targetMixRatio: 1 }, [all, 'strong 12', 'strong 3']],
    [{ guidanceScale: 1 }, [all, 'strong 3', 'strong 3']],
    [{ targetMixRatio: 1, guidanceScale: 1 }, [all, 'strong 3']],
  ])('takes these passes: %j', (change, passes) => {
    expectPasses(solutionFlow(change), passes);
  });
});
