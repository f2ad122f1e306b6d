import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig, type RunConfig, samplerSpec } from '@eflow/run';
import { runApp } from './child.ts';
import { type CellRecord, mean } from './results.ts';
import type { Budget, Cell } from './study.ts';

/** Share of a budget of seconds that a cell's steps are to fill: the rest is for what is slower than the steps measured. */
const FILLED = 0.97;
/** Stands above a preset's own limit, which a budget of steps lifts. */
const NO_LIMIT_SECONDS = 1e9;

/** A cell whose training is known to the last number. */
export interface Plan extends Cell {
  config: RunConfig;
  /** Of the training, where it is known beforehand. */
  seconds?: number;
}

/**
 * The cell with its budget. Schedules run over steps (docs/decisions/0004), so seconds become the steps that fit into them;
 * without `stepSeconds` those of the base stay, to check all else.
 */
export function planCell(cell: Cell, budget: Budget, stepSeconds?: number): Plan {
  const limits =
    'seconds' in budget
      ? [
          ...(stepSeconds
            ? [`training.steps=${Math.max(1, Math.floor((FILLED * budget.seconds) / stepSeconds))}`]
            : []),
          `training.maxSeconds=${budget.seconds}`,
        ]
      : [`training.steps=${budget.steps}`, `training.maxSeconds=${NO_LIMIT_SECONDS}`];
  const overrides = [...cell.overrides, `seed=${cell.seed}`, ...limits];
  try {
    const config = loadConfig(cell.source, overrides);
    for (const measure of cell.measures)
      for (const steps of measure.steps) samplerSpec(config.objective, steps, measure);
    const seconds = 'seconds' in budget ? budget.seconds : stepSeconds && stepSeconds * budget.steps;
    return { ...cell, overrides, config, ...(seconds && { seconds }) };
  } catch (error) {
    throw new Error(`cell '${cell.name}': ${(error as Error).message}`);
  }
}

/**
 * Measures the seconds of a cell's step by `train --dry-run`, once for all its seeds; kept in the study's folder. The faster of
 * two tries counts: what else the machine does for a moment would cost the cell its training.
 */
export function createTimings(folder: string, { writes = true } = {}) {
  const file = join(folder, 'timings.json');
  const known: Record<string, number> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  return async ({ source, overrides }: Cell): Promise<number> => {
    const key = [source, ...overrides].join(' ');
    if (known[key] === undefined) {
      const args = [source, ...overrides, '--dry-run', '--json'];
      const tries = [await runApp('train', args), await runApp('train', args)];
      known[key] = Math.min(...tries.map((output) => JSON.parse(output).stepSeconds));
      if (writes) {
        mkdirSync(folder, { recursive: true });
        writeFileSync(file, `${JSON.stringify(known, null, 2)}\n`);
      }
    }
    return known[key]!;
  };
}

/** Seconds that a cell will take, evaluation too: by its other seeds, or what is planned; undefined while nothing is known. */
export function estimateSeconds(plan: Plan, finished: readonly CellRecord[]): number | undefined {
  const taken = (records: readonly CellRecord[]) => mean(records.map((r) => r.seconds + r.evaluationSeconds));
  const same = finished.filter(({ base, name }) => base === plan.base && name === plan.name);
  if (same.length > 0) return taken(same);
  if (plan.seconds === undefined) return finished.length > 0 ? taken(finished) : undefined;
  return plan.seconds + (finished.length > 0 ? mean(finished.map((r) => r.evaluationSeconds)) : 0);
}
