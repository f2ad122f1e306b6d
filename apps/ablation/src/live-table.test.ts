import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLiveTable } from './live-table.ts';
import type { Cell } from './study.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('without a terminal, says an event at once and the newest state every ten seconds', () => {
  const lines: string[] = [];
  const stream = { isTTY: false, write: (text: string) => lines.push(text) } as unknown as typeof process.stdout;
  const cell = { base: 'tiny', name: 'FM', seed: 3 } as Cell;
  const table = createLiveTable([cell], stream);
  table.show(cell, 'training 0 %', true);
  vi.advanceTimersByTime(9_000);
  table.show(cell, 'training 5 %', false);
  expect(lines.splice(0)).toEqual(['tiny FM, seed 3: training 0 %\n']);
  vi.advanceTimersByTime(1_000);
  expect(lines.splice(0)).toEqual(['tiny FM, seed 3: training 5 %\n']);
  vi.advanceTimersByTime(9_000);
  table.show(cell, 'evaluating', true);
  vi.advanceTimersByTime(9_000);
  expect(lines.splice(0)).toEqual(['tiny FM, seed 3: evaluating\n']);
  vi.advanceTimersByTime(11_000);
  expect(lines.splice(0)).toEqual(['tiny FM, seed 3: evaluating\n', 'tiny FM, seed 3: evaluating\n']);
  table.stop();
  vi.advanceTimersByTime(60_000);
  expect(lines).toEqual([]);
});
