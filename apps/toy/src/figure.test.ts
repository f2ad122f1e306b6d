import { expect, it } from 'vitest';
import { drawPanels, type Panel } from './figure.ts';

/** Numbers of dots, panel by panel. */
const countDots = (svg: string) =>
  [...svg.matchAll(/ d="((?:M[\d.]+,[\d.]+h0)*)"/g)].map(([, d]) => d!.split('M').length - 1);

it('draws a panel for each, with its dots that are in sight and its label', () => {
  const panel = (row: string, column: string, points: number[]): Panel => ({
    row,
    column,
    points,
    label: `${row} ${column}`,
  });
  const svg = drawPanels(
    [
      panel('upper', 'left', [0, 0, 1, 1, -1, 2]),
      panel('upper', 'right', [0, 0, 7, 0, 0, -7, Number.NaN, 0]),
      panel('lower', 'left', [1, -1, 2, 2]),
    ],
    'what it is\nand of what',
  );
  expect(countDots(svg).sort()).toEqual([1, 2, 3]);
  for (const label of ['upper left', 'upper right', 'lower left', 'what it is', 'and of what']) {
    expect(svg).toContain(label);
  }
  expect(svg.match(/<rect/g)).toHaveLength(3);
});

it('places dots by their values, y upwards, within a tenth of a pixel', () => {
  const panels = [{ row: 'row', column: 'column', label: '', points: [0, 0, 1, 0, 0, 1] }];
  const [origin, right, up] = [...drawPanels(panels, '').matchAll(/M([\d.]+),([\d.]+)h0/g)].map(([, x, y]) => [
    Number(x),
    Number(y),
  ]) as [number, number][];
  // A panel of 150 pixels shows 4.8 units: one is 31.25 pixels.
  expect(right![0]! - origin![0]!).toBeCloseTo(31.25, 0);
  expect(right![1]).toBe(origin![1]);
  expect(origin![1]! - up![1]!).toBeCloseTo(31.25, 0);
  expect(up![0]).toBe(origin![0]);
});

it('keeps a full grid below 500 kB', () => {
  const points = Float32Array.from({ length: 8192 }, (_, i) => 2 * Math.sin(i * i));
  const rows = ['a', 'b', 'c', 'd', 'e'];
  const columns = ['1', '2', '4', '8', '50', 'data'];
  const svg = drawPanels(
    rows.flatMap((row) => columns.map((column) => ({ row, column, points, label: '' }))),
    '',
  );
  expect(countDots(svg)).toEqual(Array(30).fill(600));
  expect(svg.length).toBeLessThan(500_000);
});
