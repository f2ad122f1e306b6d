import { formatClock, formatNumber, percent } from '@eflow/cli';
import { type CellRecord, type Environment, type FailedCell, isFinished } from './results.ts';
import type { CellState } from './run-cell.ts';

export function describeState(state: CellState): string {
  if (state.doing === 'evaluating') return 'evaluating';
  const left = (state.seconds * (1 - state.share)) / state.share;
  return `training ${percent(state.share)} (${formatClock(left)})`;
}

/** The outcome in a few words: milliseconds of a step, and the distances of the first measure. */
export function describeRecord(record: CellRecord | FailedCell): string {
  if (!isFinished(record)) return `failed: ${record.error}`;
  const distances = record.evaluations[0]?.results.map(({ frechetDistance }) => formatNumber(frechetDistance)) ?? [];
  return `done: ${formatNumber(1000 * record.stepSeconds)} ms${distances.length > 0 ? `, distance ${distances.join(' / ')}` : ''}`;
}

export const formatEnvironment = ({ cpu, cores, tensorflow, node, commit, dirty }: Environment): string =>
  `${cpu}, ${cores} cores; TensorFlow ${tensorflow}, Node.js ${node}; commit ${commit}${dirty ? ' and changes to it' : ''}`;
