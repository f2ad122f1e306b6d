import { readFileSync } from 'node:fs';
import type { StepMetrics } from '@eflow/run';
import { describe, expect, it } from 'vitest';
import { estimateSeconds, type Plan } from './plan.ts';
import {
  type CellRecord,
  type EarlierEvaluation,
  type Evaluation,
  type FailedCell,
  type Protocol,
  summariseTraining,
  upgradeEvaluation,
} from './results.ts';
import { compareQuality, formatCsv, groupCells, qualityTable, relativeSpeeds, trainingTable } from './tables.ts';

/** Steps of so many seconds each, one after the other. */
function metricsOf(stepSeconds: number[]): StepMetrics[] {
  let seconds = 0;
  return stepSeconds.map((one, step) => {
    seconds += one;
    const constant = { loss: 1, gradNorm: 1, learningRate: 1e-3, dataSeconds: 0, numTensors: 9, residentBytes: 1e9 };
    return { ...constant, step, seconds, stepSeconds: one, velocityLoss: 10 * step, clipsPerSecond: 32 / one };
  });
}

function evaluationOf(distance: number, clips = 256): Evaluation {
  const protocol: Protocol = {
    extractor: 'a classifier',
    weightsSha256: 'ab'.repeat(32),
    feature: 'features',
    numFrames: 8,
    frameStride: 1,
    covarianceRule: 'N-1',
    numReal: clips,
    numGenerated: clips,
    split: 'held-out',
  };
  const figures = { protocol, classAccuracy: 0.5, frameConsistency: 0.25, grid: 'a.webp' };
  return {
    measure: { steps: [4], clips },
    folder: 'measure',
    sampling: { sampler: 'few-step', seed: 0 },
    real: { ...figures, frechetDistance: 2 },
    results: [{ ...figures, numSteps: 4, nfe: 4, weakNfe: 3, frechetDistance: distance }],
  };
}

const cellOf = (name: string, seed: number, more: Partial<CellRecord>): CellRecord =>
  ({
    base: 'tiny',
    name,
    seed,
    steps: 7,
    seconds: 5,
    stepSeconds: 0.5,
    clipsPerSecond: 8,
    losses: {},
    evaluations: [],
    ...more,
  }) as CellRecord;

const failed = { base: 'tiny', name: 'A', seed: 1, error: 'train: NaN' } as FailedCell;

describe('summariseTraining', () => {
  it('takes the median of a step after two steps and three seconds', () => {
    // The third step begins at 2.5 s, the fourth at 3.5 s.
    expect(summariseTraining(metricsOf([2, 0.5, 1, 0.25, 0.75, 0.5]), 4).stepSeconds).toBe(0.5);
    expect(summariseTraining(metricsOf([2, 0.5, 0.25]), 4)).toMatchObject({ stepSeconds: 0.25, clipsPerSecond: 16 });
    expect(summariseTraining(metricsOf([2]), 4)).toMatchObject({ stepSeconds: 2, steps: 1, seconds: 2 });
  });

  it('takes final losses over the last tenth, of the residuals that there are', () => {
    expect(summariseTraining(metricsOf(Array(20).fill(1)), 4).losses).toEqual({ velocityLoss: 185 }); // of 180 and 190
  });
});

describe('tables', () => {
  it('compare speeds seed by seed, and tell mean, spread and failures', () => {
    const groups = groupCells([
      cellOf('A', 0, { clipsPerSecond: 8 }),
      failed,
      cellOf('A', 2, { clipsPerSecond: 10 }),
      cellOf('B', 0, { clipsPerSecond: 16 }),
      cellOf('B', 1, { clipsPerSecond: 99 }),
      cellOf('B', 2, { clipsPerSecond: 30 }),
    ]);
    expect(relativeSpeeds(groups[1]!, groups, 'A')).toEqual([2, 3]);
    const { head, rows } = trainingTable(groups, 'A');
    const cell = (row: number, column: string) => rows[row]![head.indexOf(column)];
    expect([cell(1, 'seeds'), cell(1, 'speed'), cell(1, 'its spread')]).toEqual(['0, 1, 2', '2.50x', '2.00 to 3.00']);
    expect([cell(0, 'seeds'), cell(0, 'failures')]).toEqual(['0, 2', 'seed 1 failed: train: NaN']);
    expect(head).not.toContain('velocity loss');
  });

  it('never put distances of two protocols or of two bases side by side', () => {
    const groups = groupCells([
      cellOf('A', 0, { evaluations: [evaluationOf(10)] }),
      cellOf('B', 0, { evaluations: [evaluationOf(20), evaluationOf(30, 1000)] }),
      cellOf('A', 0, { base: 'small', evaluations: [evaluationOf(40)] }),
      cellOf('A', 1, { evaluations: [evaluationOf(12)] }),
    ]);
    const tables = compareQuality(groups);
    expect(tables.map(({ base, points }) => [base, points.map(({ mean }) => mean.frechetDistance)])).toEqual([
      ['tiny', [11, 20]],
      ['tiny', [30]],
      ['small', [40]],
    ]);
    expect(qualityTable(tables[0]!).rows).toEqual([
      ['A', 'few-step', '4', '4 + 3 weak', '11', '10', '12', '50.0 %', '25.0 %'],
      ['B', 'few-step', '4', '4 + 3 weak', '20', '20', '-', '50.0 %', '25.0 %'],
      ['real held-out clips', '-', '-', '-', '2', '-', '-', '50.0 %', '25.0 %'],
    ]);
  });

  it('has shares of factors where captions were judged, of combinations that training has and of others, in the table and the CSV', () => {
    const shares = (digit: number) => ({ digit, all: digit / 2 });
    const factors = { every: shares(0.6), seen: shares(0.8), unseen: shares(0.4), swapped: shares(0.1) };
    const judged = (digit: number): Evaluation => {
      const { real, results, ...evaluation } = evaluationOf(3);
      const told = { classAccuracy: undefined, frameConsistency: undefined };
      const seen = { ...factors, seen: shares(digit) };
      return {
        ...evaluation,
        real: { ...real, ...told, factors },
        results: results.map((result) => ({ ...result, ...told, factors: seen })),
      };
    };
    const records = [0.5, 0.7].map((digit, seed) => cellOf('A, of words', seed, { evaluations: [judged(digit)] }));
    const { head, rows } = qualityTable(compareQuality(groupCells(records))[0]!);
    expect(head.slice(-4)).toEqual(['digit, seen', 'digit, unseen', 'all, seen', 'all, unseen']);
    expect(rows[0]!.slice(-4)).toEqual(['60.0 %', '40.0 %', '30.0 %', '20.0 %']);
    const withoutResults = cellOf('B', 0, {});
    const csv = formatCsv([withoutResults, ...records].map((record) => ({ ...record, environment }) as CellRecord));
    const [names, ...lines] = csv.trim().split('\n');
    expect(names).toMatch(
      /,frechetDistance,classAccuracy,frameConsistency,"digit, seen","digit, unseen","all, seen","all, unseen"$/,
    );
    expect(lines.map((line) => line.split(',').slice(-4))).toEqual([
      ['', '', '', ''],
      ['0.5', '0.4', '0.25', '0.2'],
      ['0.7', '0.4', '0.35', '0.2'],
    ]);
  });
});

const environment = { commit: 'abc', dirty: false };

it('reads what was recorded before all measurements had one protocol', () => {
  const file = new URL('../../../docs/results/objectives.json', import.meta.url);
  const { cells }: { cells: CellRecord[] } = JSON.parse(readFileSync(file, 'utf8'));
  const upgraded = cells.map((cell) => ({
    ...cell,
    evaluations: cell.evaluations.map((one) => upgradeEvaluation(one as Evaluation | EarlierEvaluation, cell.config)),
  }));
  const [quality] = compareQuality(groupCells(upgraded));
  const first = cells[0]!.evaluations[0]! as unknown as EarlierEvaluation;
  expect(quality!.protocol).toMatchObject({
    weightsSha256: first.protocol.extractorSha256,
    covarianceRule: 'N-1',
    numFrames: 8,
    numReal: first.protocol.realClips,
  });
  expect(quality!.points[0]!.distances[cells[0]!.seed]).toBe(first.results[0]!.frechetDistance);
  expect(upgradeEvaluation(evaluationOf(3), cells[0]!.config)).toEqual(evaluationOf(3));
});

describe('estimateSeconds', () => {
  const plan = (seconds?: number) => ({ base: 'tiny', name: 'A', seconds }) as Plan;
  const [same, other] = ['A', 'B'].map((name, i) => cellOf(name, 0, { seconds: 10 + i, evaluationSeconds: 3 + i }));

  it("goes by the cell's other seeds, else by the plan, else by the other cells", () => {
    expect(estimateSeconds(plan(50), [same!, other!])).toBe(13);
    expect(estimateSeconds(plan(50), [other!])).toBe(54);
    expect(estimateSeconds(plan(50), [])).toBe(50);
    expect(estimateSeconds(plan(), [other!])).toBe(15);
    expect(estimateSeconds(plan(), [])).toBeUndefined();
  });
});
