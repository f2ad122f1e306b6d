import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appFile, formatNumber, mean, runNode, Stopped } from '@eflow/cli';
import { loadConfig, type RunConfig, samplerSpec } from '@eflow/run';
import { sync as writeFileAtomically } from 'write-file-atomic';
import type { CellRecord } from './results.ts';
import type { Budget, Cell } from './study.ts';

/** Share of a budget of seconds that a cell's steps fill: the rest is for what training does besides steps. */
const FILLED = 0.97;
/** A cell whose machine has become so many times slower is ended; until then it makes all its steps. */
const PATIENCE = 1.5;
/** In the study's folder. */
const TIMINGS = 'timings.json';
/** How often each cell's step is measured. */
const ROUNDS = 5;
/** Stands above a preset's own limit, which a budget of steps lifts. */
const NO_LIMIT_SECONDS = 1e9;

/** A cell whose training is known to the last number. */
export interface Plan extends Cell {
  config: RunConfig;
  /** What the training takes, where it is known beforehand. */
  seconds?: number;
}

/**
 * The cell with its budget. Schedules run over steps (docs/decisions/0004), so seconds become the steps that fit into them,
 * all of which are made, whatever else the machine does meanwhile; without `stepSeconds` those of the base stay, to check all else.
 */
export function planCell(cell: Cell, budget: Budget, stepSeconds?: number): Plan {
  const limits =
    'seconds' in budget
      ? [
          ...(stepSeconds
            ? [`training.steps=${Math.max(1, Math.floor((FILLED * budget.seconds) / stepSeconds))}`]
            : []),
          `training.maxSeconds=${PATIENCE * budget.seconds}`,
        ]
      : [`training.steps=${budget.steps}`, `training.maxSeconds=${NO_LIMIT_SECONDS}`];
  const overrides = [...cell.overrides, `seed=${cell.seed}`, ...limits];
  try {
    const config = loadConfig(cell.source, overrides);
    for (const measure of cell.measures)
      for (const steps of measure.steps) samplerSpec(config.objective, steps, measure);
    const seconds = 'seconds' in budget ? budget.seconds : stepSeconds && stepSeconds * budget.steps;
    return { ...cell, overrides, config, seconds };
  } catch (error) {
    throw new Error(`cell '${cell.name}': ${(error as Error).message}`);
  }
}

/** The seconds of a cell's step, as far as the study's folder knows them. */
export function readSpeeds(folder: string): (cell: Cell) => number | undefined {
  const known = readTimings(folder);
  return (cell) => known[keyOf(cell)];
}

/** The seconds of a cell's step. Throws if they could not be measured. */
export type Speeds = (cell: Cell) => number;

/**
 * Measures the seconds of each cell's step by `train --dry-run`, once for all its seeds; kept in the study's folder. Cells take
 * turns, five times, and the fastest of each counts: what else the machine does for a moment would cost a cell its training.
 * `onTurn` is told what a cell does, and what came of it.
 */
export async function measureSpeeds(
  cells: readonly Cell[],
  folder: string,
  onTurn: (cell: Cell, state: string) => void,
): Promise<Speeds> {
  const known = readTimings(folder);
  const failures = new Map<string, Error>();
  const measured: Record<string, number> = {};
  const turns = new Map(cells.map((cell) => [keyOf(cell), cell]));
  for (const key of Object.keys(known)) turns.delete(key);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, cell] of turns) {
      if (failures.has(key)) continue;
      onTurn(cell, `measuring speed, turn ${round + 1} of ${ROUNDS}`);
      try {
        const output = await runNode(appFile('train'), [cell.source, ...cell.overrides, '--dry-run', '--json']);
        const { stepSeconds } = JSON.parse(output);
        measured[key] = Math.min(stepSeconds, measured[key] ?? Number.POSITIVE_INFINITY);
        onTurn(cell, `a step takes ${formatNumber(1000 * stepSeconds)} ms`);
      } catch (error) {
        if (error instanceof Stopped) throw error;
        failures.set(key, error as Error);
        delete measured[key];
      }
    }
  }
  const speeds = { ...known, ...measured };
  if (turns.size > 0) {
    mkdirSync(folder, { recursive: true });
    writeFileAtomically(join(folder, TIMINGS), `${JSON.stringify(speeds, null, 2)}\n`);
  }
  return (cell) => {
    const failure = failures.get(keyOf(cell));
    if (failure) throw failure;
    return speeds[keyOf(cell)]!;
  };
}

function readTimings(folder: string): Record<string, number> {
  const file = join(folder, TIMINGS);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

const keyOf = ({ source, overrides }: Cell) => [source, ...overrides].join(' ');

/** Seconds that a cell will take, evaluation too: by its other seeds, or what is planned; undefined while nothing is known. */
export function estimateSeconds(plan: Plan, finished: readonly CellRecord[]): number | undefined {
  const taken = (records: readonly CellRecord[]) => mean(records.map((r) => r.seconds + r.evaluationSeconds));
  const same = finished.filter(({ base, name }) => base === plan.base && name === plan.name);
  if (same.length > 0) return taken(same);
  if (plan.seconds === undefined) return finished.length > 0 ? taken(finished) : undefined;
  return plan.seconds + (finished.length > 0 ? mean(finished.map((r) => r.evaluationSeconds)) : 0);
}
