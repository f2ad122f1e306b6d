import { expectClose } from '@eflow/testing';
import { describe, expect, it } from 'vitest';
import { assertTimeGrid, type TimeGrid, timeGrid } from './time-grid.ts';

const GRIDS: TimeGrid[] = [{ kind: 'uniform' }, { kind: 'shifted', shift: 3 }, { kind: 'quadratic' }];

describe.each(GRIDS)('the $kind grid', (grid) => {
  it.each([1, 2, 5, 50])('falls from exactly 1 to exactly 0 in %d steps', (numSteps) => {
    const times = timeGrid(numSteps, grid);
    expect(times).toHaveLength(numSteps + 1);
    expect([times[0], times.at(-1)]).toEqual([1, 0]);
    expect(() => assertTimeGrid('test', times)).not.toThrow();
  });
});

describe('timeGrid', () => {
  it('has the times of its formula', () => {
    expectClose(timeGrid(4), [1, 0.75, 0.5, 0.25, 0]);
    expectClose(timeGrid(4, { kind: 'quadratic' }), [1, 0.5625, 0.25, 0.0625, 0]);
    // 3 t / (1 + 2 t): 2.25 / 2.5, 1.5 / 2, 0.75 / 1.5
    expectClose(timeGrid(4, { kind: 'shifted', shift: 3 }), [1, 0.9, 0.75, 0.5, 0]);
    expect(timeGrid(7, { kind: 'shifted', shift: 1 })).toEqual(timeGrid(7));
  });

  it.each([0, -1, 1.5, Number.NaN, Infinity])('refuses %d steps', (numSteps) => {
    expect(() => timeGrid(numSteps)).toThrow(`timeGrid: numSteps is ${numSteps}; expected an integer of at least 1`);
  });

  it.each([0, -3, Number.NaN, Infinity])('refuses the shift %d', (shift) => {
    expect(() => timeGrid(4, { kind: 'shifted', shift })).toThrow(`timeGrid: shift is ${shift}; expected a positive`);
  });
});

describe('assertTimeGrid', () => {
  it('takes any part of [0, 1] that falls', () => {
    expect(() => assertTimeGrid('test', [0.8, 0.3])).not.toThrow();
  });

  it.each<[string, number[], string]>([
    ['no time', [], 'times has 0 entries; expected at least two'],
    ['one time', [1], 'times has 1 entries; expected at least two'],
    ['a time above 1', [1.01, 0], 'times[0] is 1.01; expected a time in [0, 1]'],
    ['a time below 0', [1, -0.1], 'times[1] is -0.1; expected a time in [0, 1]'],
    ['NaN', [1, Number.NaN, 0], 'times[1] is NaN; expected a time in [0, 1]'],
    ['a time twice', [1, 0.5, 0.5, 0], 'times[2] is 0.5 after 0.5; expected times that fall'],
    ['times that rise', [0, 1], 'times[1] is 1 after 0; expected times that fall'],
  ])('refuses %s', (_case, times, message) => {
    expect(() => assertTimeGrid('test', times)).toThrow(`test: ${message}`);
  });
});
