import { formatNumber, markdownTable, mean, percent, type Table, tableOf } from '@eflow/cli';
import { LOSS_TERMS, type LossTerm } from '@eflow/flow';
import { formatEvaluations } from '@eflow/run';
import {
  type CellRecord,
  type Evaluation,
  type FailedCell,
  type Figures,
  isFinished,
  type Protocol,
  type Result,
} from './results.ts';
import type { Stability } from './stability.ts';

/** `caption` says what the rows hold for. */
export interface CaptionedTable extends Table {
  caption: string;
}

/** A cell on a base, over its seeds. */
export interface Group {
  base: string;
  name: string;
  records: CellRecord[];
  failures: FailedCell[];
}

export const groupCells = (records: readonly (CellRecord | FailedCell)[]): Group[] =>
  groupBy(records, ({ base, name }) => JSON.stringify([base, name])).map((same) => ({
    base: same[0]!.base,
    name: same[0]!.name,
    records: same.filter(isFinished),
    failures: same.filter((record) => 'error' in record),
  }));

/** Items of the same key together, in the order of the first of each. */
function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

/** Clips per second in times of the reference's, each seed against the reference of its own; none where that is not there. */
export function relativeSpeeds({ base, records }: Group, groups: readonly Group[], reference: string): number[] {
  const others = groups.find((group) => group.base === base && group.name === reference)?.records ?? [];
  return records.flatMap(({ seed, clipsPerSecond }) => {
    const other = others.find((record) => record.seed === seed);
    return other ? [clipsPerSecond / other.clipsPerSecond] : [];
  });
}

/** `meanVelocityLoss` as it stands in a head: mean velocity loss. */
const inWords = (term: LossTerm) => term.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Means over the seeds; of the speed the lowest and the highest seed as well. */
export function trainingTable(groups: readonly Group[], reference: string): CaptionedTable {
  const losses = LOSS_TERMS.map(({ name }) => name).filter((term) =>
    groups.some(({ records }) => records.some((r) => r.losses[term] !== undefined)),
  );
  const hasFailures = groups.some(({ failures }) => failures.length > 0);
  const rows = groups.map((group) => {
    const { base, name, records, failures } = group;
    const speeds = relativeSpeeds(group, groups, reference);
    const average = (value: (record: CellRecord) => number | undefined) => formatMean(records.map(value));
    const row: Record<string, string> = {
      base,
      cell: name,
      seeds: records.map(({ seed }) => seed).join(', ') || '-',
      steps: average(({ steps }) => steps),
      seconds: average(({ seconds }) => seconds),
      'ms a step': average(({ stepSeconds }) => 1000 * stepSeconds),
      'clips/s': average(({ clipsPerSecond }) => clipsPerSecond),
      speed: speeds.length > 0 ? `${mean(speeds).toFixed(2)}x` : '-',
      'its spread': speeds.length > 1 ? `${Math.min(...speeds).toFixed(2)} to ${Math.max(...speeds).toFixed(2)}` : '-',
    };
    for (const term of losses) row[inWords(term)] = average((record) => record.losses[term]);
    if (hasFailures) row.failures = failures.map(({ seed, error }) => `seed ${seed} failed: ${error}`).join('; ');
    return row;
  });
  return {
    caption: `Training: means over the seeds; speed in clips/s against "${reference}" of the same seed, lowest to highest seed`,
    ...tableOf(rows),
  };
}

/** Means over the seeds; of the largest gradients the largest, of spikes and steps that were not finite the sum. No table if nothing is known. */
export function stabilityTable(groups: readonly Group[]): CaptionedTable[] {
  const rows = groups.flatMap(({ base, name, records }) => {
    const seeds = records.flatMap(({ stability }) => stability ?? []);
    if (seeds.length === 0) return [];
    const of = (key: keyof Stability) => seeds.map((stability) => stability[key]);
    const sum = (values: number[]) => String(values.reduce((a, b) => a + b));
    return {
      base,
      cell: name,
      loss: mean(of('loss')).toFixed(4),
      'its spread': mean(of('lossSpread')).toFixed(4),
      'median gradient': formatNumber(mean(of('medianGradNorm'))),
      'largest gradient': formatNumber(Math.max(...of('largestGradNorm'))),
      'largest in the second half': formatNumber(Math.max(...of('largestLateGradNorm'))),
      'spikes over 10x': sum(of('spikes')),
      'not finite': sum(of('notFinite')),
    };
  });
  if (rows.length === 0) return [];
  const caption =
    "Stability: loss of the last 50 steps and the gradient's norm before clipping, of the steps of all seeds";
  return [{ caption, ...tableOf(rows) }];
}

/** One measure of a cell at one number of steps. */
interface QualityPoint {
  name: string;
  /** What tells it from the cell's other measures. */
  sampler: string;
  /** The first seed's: its numbers of steps and evaluations are all seeds'. */
  result: Result;
  /** By seed. */
  distances: Record<number, number>;
  /** Over the seeds. */
  mean: MeanFigures;
}

interface MeanFigures {
  frechetDistance: number;
  /** Of clips that show what they were asked for, by the names of their columns. */
  shares: Record<string, number>;
}

/** What was measured by one protocol on one base: only that compares. */
export interface Quality {
  base: string;
  protocol: Protocol;
  /** Real clips against other real ones. */
  real: MeanFigures;
  points: QualityPoint[];
}

export function compareQuality(groups: readonly Group[]): Quality[] {
  const measured = groups.flatMap(({ base, name, records }) =>
    records.flatMap(({ seed, evaluations }) =>
      evaluations.flatMap((evaluation) =>
        evaluation.results.map((result) => ({ base, name, seed, evaluation, result })),
      ),
    ),
  );
  const comparable = groupBy(measured, ({ base, evaluation: { sampling, real } }) => {
    const { weightsSha256, covarianceRule, numReal, numGenerated } = real.protocol;
    return JSON.stringify([base, weightsSha256, covarianceRule, numReal, numGenerated, sampling.seed]);
  });
  return comparable.map((all) => ({
    base: all[0]!.base,
    protocol: all[0]!.evaluation.real.protocol,
    real: meanFigures(all.map(({ evaluation }) => evaluation.real)),
    points: groupBy(all, (one) => `${one.name} ${one.evaluation.folder} ${one.result.numSteps}`).map((same) => ({
      name: same[0]!.name,
      sampler: describeSampler(same[0]!.evaluation),
      result: same[0]!.result,
      distances: Object.fromEntries(same.map((one) => [one.seed, one.result.frechetDistance])),
      mean: meanFigures(same.map((one) => one.result)),
    })),
  }));
}

function meanFigures(all: readonly Figures[]): MeanFigures {
  const shares = all.map(sharesOf);
  return {
    frechetDistance: mean(all.map((one) => one.frechetDistance)),
    shares: Object.fromEntries(Object.keys(shares[0]!).map((name) => [name, mean(shares.map((one) => one[name]!))])),
  };
}

/** Shares of clips that show what they were asked for, by the names of their columns. */
const sharesOf = ({ classAccuracy, frameConsistency, factors }: Figures): Record<string, number> =>
  factors ? sharesOfFactors(factors) : { 'class accuracy': classAccuracy!, 'frame consistency': frameConsistency! };

function sharesOfFactors({ swapped, seen, unseen }: NonNullable<Figures['factors']>): Record<string, number> {
  const parts = Object.entries({ seen, unseen }).filter(([, shares]) => shares !== undefined);
  return Object.fromEntries(
    Object.keys(swapped).flatMap((factor) => parts.map(([part, shares]) => [`${factor}, ${part}`, shares![factor]!])),
  );
}

/** The sampler of a measure, and what was asked of it. */
export const describeSampler = ({ sampling, measure: { grid, guidance, guidanceScale } }: Evaluation): string =>
  [sampling.sampler, grid, guidanceScale && `${guidance ?? 'guidance'} ${guidanceScale}`].filter(Boolean).join(', ');

export function qualityTable({ base, protocol, real, points }: Quality): CaptionedTable {
  const seeds = [...new Set(points.flatMap(({ distances }) => Object.keys(distances).map(Number)))];
  const row = (cell: string, all: MeanFigures, point?: QualityPoint) => ({
    cell,
    sampler: point?.sampler ?? '-',
    steps: point ? String(point.result.numSteps) : '-',
    'network evaluations': point ? formatEvaluations(point.result) : '-',
    distance: formatNumber(all.frechetDistance),
    ...Object.fromEntries(seeds.map((seed) => [`of seed ${seed}`, formatMean([point?.distances[seed]])])),
    ...Object.fromEntries(Object.entries(all.shares).map(([name, share]) => [name, percent(share, 1)])),
  });
  return {
    caption:
      `Quality on ${base}: Frechet distance (not FVD) of features of the ${protocol.extractor} (weights ${protocol.weightsSha256.slice(0, 12)}), ` +
      `${protocol.numGenerated} generated against ${protocol.numReal} real held-out clips, covariance over ${protocol.covarianceRule}, EMA weights; means over the seeds`,
    ...tableOf([...points.map((point) => row(point.name, point.mean, point)), row('real held-out clips', real)]),
  };
}

function formatMean(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? formatNumber(mean(known)) : '-';
}

export const formatMarkdown = ({ caption, head, rows }: CaptionedTable): string =>
  `${caption}.\n\n${markdownTable(head, rows)}\n`;

/** One line for each result of each seed, or for the seed's training where nothing was measured; '' without records. */
export function formatCsv(records: readonly CellRecord[]): string {
  const measured = records.flatMap(({ evaluations }) => evaluations.flatMap(({ results }) => results));
  const shares = [...new Set(measured.flatMap(({ factors }) => Object.keys(factors ? sharesOfFactors(factors) : {})))];
  const lines = records.flatMap(({ name, environment, losses, evaluations, ...record }) => {
    const line = (evaluation?: Evaluation, result?: Result) => ({
      base: record.base,
      cell: name,
      seed: record.seed,
      commit: environment.commit,
      dirty: environment.dirty,
      steps: record.steps,
      seconds: record.seconds,
      stepSeconds: record.stepSeconds,
      clipsPerSecond: record.clipsPerSecond,
      ...Object.fromEntries(LOSS_TERMS.map((term) => [term.name, losses[term.name]])),
      sampler: evaluation && describeSampler(evaluation),
      samplingSteps: result?.numSteps,
      clips: evaluation?.real.protocol.numGenerated,
      nfe: result?.nfe,
      weakNfe: result?.weakNfe,
      frechetDistance: result?.frechetDistance,
      classAccuracy: result?.classAccuracy,
      frameConsistency: result?.frameConsistency,
      ...Object.fromEntries(shares.map((name) => [name, result?.factors && sharesOfFactors(result.factors)[name]])),
    });
    const results = evaluations.flatMap((evaluation) => evaluation.results.map((result) => line(evaluation, result)));
    return results.length > 0 ? results : [line()];
  });
  const quote = (value: unknown) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const rows: unknown[][] = [Object.keys(lines[0] ?? {}), ...lines.map((line) => Object.values(line))];
  return rows.map((row) => `${row.map((value) => quote(value ?? '')).join(',')}\n`).join('');
}
