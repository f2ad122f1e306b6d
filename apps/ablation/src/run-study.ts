import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { countOf, formatClock, formatNumber } from '@eflow/cli';
import { createLiveTable, type LiveTable } from './live-table.ts';
import { estimateSeconds, measureSpeeds, type Plan, planCell } from './plan.ts';
import {
  type CellRecord,
  cellFolder,
  type FailedCell,
  isFinished,
  readEnvironment,
  readRecord,
  runOf,
  writeRecord,
} from './results.ts';
import { findChanges, logOf, runCell } from './run-cell.ts';
import type { Cell, Study } from './study.ts';

const TAIL_LINES = 10;

/**
 * Runs the cells that are not finished, one after the other, and shows how far they are; one that fails does not end the
 * study. Throws if a folder holds a run of another config, unless `overwrite` is set, and `Stopped` after Ctrl-C.
 */
export async function runStudy(study: Study, cells: readonly Cell[], out: string, overwrite: boolean): Promise<void> {
  const table = createLiveTable(cells);
  try {
    const plans = await planCells(study, cells, out, table);
    clearChanged(plans, out, overwrite);
    const finished: CellRecord[] = [];
    const waiting = new Set(plans);
    for (const plan of plans) {
      const record = readRecord(cellFolder(out, plan));
      if (!isFinished(record) || !isMeasured(record, plan)) continue;
      waiting.delete(plan);
      finished.push(record);
      table.show(plan, describeRecord(record), true);
    }
    for (const plan of [...waiting]) {
      const start = performance.now();
      const record = await runCell(plan, cellFolder(out, plan), (state, isNew) => {
        table.show(plan, state, isNew);
        const left = secondsLeft(waiting, finished, (performance.now() - start) / 1000);
        table.summarise(
          `${cells.length - waiting.size} of ${countOf(cells.length, 'cell')}; ${formatClock(left)} left`,
        );
      });
      waiting.delete(plan);
      table.show(plan, describeRecord(record), true);
      if (isFinished(record)) finished.push(record);
      else table.print(`The end of ${logOf(cellFolder(out, plan))}:\n${readTail(logOf(cellFolder(out, plan)))}`);
    }
  } finally {
    table.stop();
  }
}

/** The cells whose steps are known. Where a cell's speed could not be measured, that is recorded as its failure. */
async function planCells(study: Study, cells: readonly Cell[], out: string, table: LiveTable): Promise<Plan[]> {
  const { budget } = study;
  const onTurn = (cell: Cell, state: string) => table.show(cell, state, true);
  const speedOf = 'seconds' in budget ? await measureSpeeds(cells, out, onTurn) : undefined;
  const plans: Plan[] = [];
  for (const cell of cells) {
    try {
      plans.push(planCell(cell, budget, speedOf?.(cell)));
      table.show(cell, 'waiting', false);
    } catch (error) {
      const folder = cellFolder(out, cell);
      const { config } = planCell(cell, budget);
      const { base, name, seed } = cell;
      const failure = { base, name, seed, config, error: (error as Error).message };
      mkdirSync(folder, { recursive: true });
      const record = { ...failure, environment: readEnvironment(runOf(folder)) };
      writeRecord(folder, record);
      table.show(cell, describeRecord(record), true);
    }
  }
  return plans;
}

/** Removes runs of another config, or throws if that was not asked for. */
function clearChanged(plans: readonly Plan[], out: string, overwrite: boolean): void {
  const changed = plans.flatMap((plan) => {
    const changes = findChanges(plan, cellFolder(out, plan));
    return changes.length > 0 ? [{ plan, changes }] : [];
  });
  if (changed.length > 0 && !overwrite) {
    const { plan, changes } = changed[0]!;
    throw new Error(
      `${out} holds ${changed.length} of the cells with another config: in ${plan.id} ${changes.slice(0, 3).join('; ')}. ` +
        'Make them anew with --overwrite, or give another folder with --out',
    );
  }
  for (const { plan } of changed) rmSync(cellFolder(out, plan), { recursive: true });
}

const isMeasured = ({ evaluations }: CellRecord, { measures }: Plan): boolean =>
  JSON.stringify(evaluations.map(({ measure }) => measure)) === JSON.stringify(measures);

/** The time of all that waits, the first of which has run for `elapsed` seconds; NaN while one's time is not known. */
function secondsLeft(waiting: Iterable<Plan>, finished: readonly CellRecord[], elapsed: number): number {
  const [current = 0, ...others] = [...waiting].map((plan) => estimateSeconds(plan, finished) ?? Number.NaN);
  return others.reduce((sum, seconds) => sum + seconds, Math.max(0, current - elapsed));
}

function readTail(file: string): string {
  if (!existsSync(file)) return '';
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}

/** The outcome in a few words: milliseconds of a step, and the distances of the first measure. */
function describeRecord(record: CellRecord | FailedCell): string {
  if (!isFinished(record)) return `failed: ${record.error}`;
  const distances = record.evaluations[0]?.results.map(({ frechetDistance }) => formatNumber(frechetDistance)) ?? [];
  return `done: ${formatNumber(1000 * record.stepSeconds)} ms${distances.length > 0 ? `, distance ${distances.join(' / ')}` : ''}`;
}
