import type { ClipSize } from '@eflow/video-dit';
import type { Failure } from '../contestant.ts';
import type { ReportHead } from '../format.ts';
import type { Machine } from '../machine.ts';
import { type ProductReport, rateProducts } from '../products.ts';
import { usedByOthers } from '../turn.ts';
import type { GroupMeasurement } from './benchmark.ts';
import { type EntryReport, reportEntry } from './entry-report.ts';
import type { Size } from './groups.ts';
import { type MemoryReport, reportMemory } from './memory-report.ts';
import { type Summary, summariseNetworks } from './summary.ts';

/** All that `--json` writes. */
export interface NetworkReport extends ReportHead {
  rounds: number;
  size: Size;
  /** Tokens per side, of kinds with a window. */
  windowSize: number;
  groups: GroupReport[];
  memory?: MemoryReport;
  summary: Summary;
}

/** Networks that were measured side by side. */
export interface GroupReport {
  title: string;
  tokens: number;
  batchSize: number;
  clip: ClipSize;
  /** Labels of those that took turns with each other: one list, unless memory would not hold all. */
  turns: string[][];
  /** Share of all cores that other processes used in the pauses between turns. */
  usedByOthers: number;
  /** The best rate of plain products in a precision is the limit that shares are of. */
  products: ProductReport[];
  entries: EntryReport[];
  failures: Failure[];
}

export function createReport(
  measured: { machine: Machine; rounds: number; size: Size; windowSize: number; skipped: string[] },
  groups: readonly GroupMeasurement[],
  memory?: GroupMeasurement,
): NetworkReport {
  const versions: NetworkReport['versions'] = {};
  for (const { entries } of memory ? [...groups, memory] : groups) {
    for (const { entrant, version } of entries) versions[entrant.contestant.runtime] = version;
  }
  const reports = groups.map(reportGroup);
  return {
    ...measured,
    versions,
    date: new Date().toISOString(),
    groups: reports,
    memory: memory && reportMemory(memory),
    summary: summariseNetworks(reports.flatMap(({ entries }) => entries)),
  };
}

function reportGroup(result: GroupMeasurement): GroupReport {
  const { tokens, batchSize, clip } = result.group.entrants[0]!.workload;
  const products = rateProducts(result.products);
  return {
    title: result.group.title,
    tokens,
    batchSize,
    clip,
    turns: result.turns,
    usedByOthers: usedByOthers(result.pauses),
    products,
    entries: result.entries.map((entry) => reportEntry(entry, result.entries, products)),
    failures: result.failures,
  };
}
