import { percent, tableOf } from '@eflow/cli';
import { type Failure, RUNTIME_NAMES, type Runtime } from './contestant.ts';
import type { ProductReport } from './products.ts';
import type { Machine } from './session.ts';
import type { Summary } from './statistics.ts';

/** Share of the machine above which what others do distorts the figures. */
const BUSY = 0.05;

/** What every report begins with. */
export interface ReportHead {
  machine: Machine;
  /** The version of each runtime that took part. */
  versions: Partial<Record<Runtime, string>>;
  date: string;
  /** What was left out, and why. */
  skipped: string[];
}

/** The versions and the date of a report on entries. */
export const dateReport = (
  entries: readonly { contestant: { runtime: Runtime }; version: string }[],
): Pick<ReportHead, 'versions' | 'date'> => ({
  versions: Object.fromEntries(entries.map(({ contestant, version }) => [contestant.runtime, version])),
  date: new Date().toISOString(),
});

export function formatHead({ machine, versions, date, skipped }: ReportHead): string {
  return [
    `${machine.cpu}, ${machine.cores} cores, ${gigabytes(machine.memoryBytes)} GB; ${machine.system}; load average ${machine.loadAverage.toFixed(1)} at the start`,
    `commit ${machine.commit ?? 'unknown'}; Node.js ${machine.node}${listVersions(versions)}; ${date}`,
    ...skipped,
  ].join('\n');
}

/** ', TensorFlow 2.21.0, PyTorch 2.15.0' of those that took part. */
const listVersions = (versions: ReportHead['versions']): string =>
  (['tensorflow', 'torch'] as const)
    .flatMap((runtime) => (versions[runtime] ? [`, ${RUNTIME_NAMES[runtime]} ${versions[runtime]}`] : []))
    .join('');

/** The last line of a figure's caption; `versions` are those of the runtimes that it draws. */
export const formatOrigin = ({ machine, versions, date }: Pick<ReportHead, 'machine' | 'versions' | 'date'>): string =>
  `${machine.cpu}, ${machine.cores} cores${listVersions(versions)}; commit ${machine.commit ?? 'unknown'}, ${date.slice(0, 10)}.`;

export const formatOthers = (share: number): string =>
  `Other processes used ${percent(share)} of the machine${share > BUSY ? ': too much, repeat this when it is idle' : ''}`;

export function formatProducts(products: readonly ProductReport[]): string {
  const rates = products.map(
    ({ runtime, precision, flopsPerSecond }) =>
      `${precision} ${(flopsPerSecond / 1e9).toFixed(0)} (${RUNTIME_NAMES[runtime]})`,
  );
  return `Plain products, GFLOP/s: ${rates.join(', ')}`;
}

/** The lines of a table, or of a part of one, with its head; none without rows. */
export function tableLines(items: readonly Readonly<Record<string, string>>[]): string[][] {
  if (items.length === 0) return [];
  const { head, rows } = tableOf(items);
  return [head, ...rows];
}

/** With the beginning of the reason. */
export const formatFailure = ({ label, reason }: Failure): string => `${label} failed: ${reason.slice(0, 300)}`;

export const quartiles = ({ lowerQuartile, upperQuartile }: Summary, format: (value: number) => string) =>
  `${format(lowerQuartile)}..${format(upperQuartile)}`;

/** To about three figures. */
export function milliseconds(seconds: number): string {
  const value = 1000 * seconds;
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

export const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
