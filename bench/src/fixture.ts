import type { Machine } from './machine.ts';
import type { Progress } from './progress.ts';

/** A machine for reports of fixed samples. */
export const MACHINE: Machine = {
  cpu: 'abacus',
  cores: 2,
  memoryBytes: 16e9,
  loadAverage: 0,
  system: 'linux',
  node: '20.19.0',
  hasBf16: true,
  commit: 'abc1234',
};

/** A progress that keeps what it was told. */
export function recordProgress() {
  const record = { said: [] as string[], turns: 0 };
  const progress: Progress = {
    say: (what) => void record.said.push(what),
    advance: () => {
      record.turns++;
    },
    stop: () => {},
  };
  return { record, progress };
}
