import { plot, toSvg } from '@eflow/figures';
import * as Plot from '@observablehq/plot';
import type { Points } from './energy-distance.ts';

/** One scatter plot of the grid. */
export interface Panel {
  row: string;
  column: string;
  points: Points;
  /** Written below. */
  label: string;
}

const PANEL = 150;
const GAP = 34;
const [LEFT, TOP, RIGHT, BOTTOM] = [140, 28, 12, 62];
/** Points of a panel that are drawn, to keep the file small. */
const DRAWN = 600;
/** What is seen of the plane, to each side of the origin. */
const EXTENT = 2.4;
const EDGES = { x1: () => -EXTENT, x2: () => EXTENT, y1: () => -EXTENT, y2: () => EXTENT };
const SVG = 'http://www.w3.org/2000/svg';

/** Panels in a grid, rows and columns in the order in which they first occur, as SVG. */
export function drawPanels(panels: readonly Panel[], caption: string): string {
  const rows = [...new Set(panels.map(({ row }) => row))];
  const columns = [...new Set(panels.map(({ column }) => column))];
  const dots = panels.flatMap(({ points, row, column }) =>
    Array.from({ length: Math.min(DRAWN, points.length / 2) }, (_, i) => ({
      row,
      column,
      x: points[2 * i]!,
      y: points[2 * i + 1]!,
    })).filter(({ x, y }) => Math.max(Math.abs(x), Math.abs(y)) < EXTENT),
  );
  const cell = { fx: 'column', fy: 'row' } as const;
  const axis = { domain: [-EXTENT, EXTENT], axis: null };
  // A gap takes its share of a step, and a single panel all of it.
  const facets = (domain: string[]) => ({
    domain,
    label: null,
    padding: domain.length > 1 ? GAP / (PANEL + GAP) : 0,
    round: false,
  });
  const figure = plot({
    width: LEFT + columns.length * (PANEL + GAP) - GAP + RIGHT,
    height: TOP + rows.length * (PANEL + GAP) - GAP + BOTTOM,
    marginLeft: LEFT,
    marginTop: TOP,
    marginRight: RIGHT,
    marginBottom: BOTTOM,
    fontSize: 13,
    fx: facets(columns),
    fy: facets(rows),
    x: axis,
    y: axis,
    marks: [
      Plot.axisFx({ anchor: 'top' }),
      Plot.axisFy({ anchor: 'left', textAnchor: 'end', lineHeight: 1.3 }),
      Plot.rect(panels, { ...cell, ...EDGES, stroke: '#cbd5e1' }),
      Plot.dot(dots, { ...cell, x: 'x', y: 'y', render: drawAsPath }),
      Plot.text(panels, { ...cell, text: 'label', frameAnchor: 'bottom', lineAnchor: 'top', dy: 5 }),
      Plot.text([caption], {
        fx: [columns[0]],
        fy: [rows.at(-1)],
        frameAnchor: 'bottom-left',
        textAnchor: 'start',
        lineAnchor: 'top',
        dx: 12 - LEFT,
        dy: 32,
        fontSize: 11,
        lineHeight: 1.3,
      }),
    ],
  });
  return toSvg(figure);
}

/** A panel's dots as one path of lines without length, whose caps are round: a fifth of the size of as many circles. */
const drawAsPath: Plot.RenderFunction = (index, _scales, { x, y }, _dimensions, { document }) => {
  const path = document.createElementNS(SVG, 'path');
  const at = (values: ArrayLike<number> | undefined, i: number) => values![i]!.toFixed(1);
  path.setAttribute('d', index.map((i) => `M${at(x, i)},${at(y, i)}h0`).join(''));
  for (const [name, value] of [
    ['fill', 'none'],
    ['stroke', '#1d4ed8'],
    ['stroke-width', '2.2'],
    ['stroke-linecap', 'round'],
  ] as const) {
    path.setAttribute(name, value);
  }
  return path;
};
