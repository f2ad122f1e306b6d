import { plot, roundNumbers, toSvg } from '@eflow/figures';
import * as Plot from '@observablehq/plot';

const WIDTH = 820;
const LEGEND_WIDTH = 300;
const LINE_HEIGHT = 18;
export const GREY = '#6b7280';

/** A plot of `height` below its title and above its caption, as SVG. */
export function draw(title: string, caption: string, { marks = [], height = 0, ...options }: Plot.PlotOptions): string {
  const margins = { marginTop: 40, marginBottom: 56 + 13 * caption.split('\n').length };
  const figure = plot({
    width: WIDTH,
    height: height + margins.marginTop + margins.marginBottom,
    ...margins,
    marginLeft: 60,
    marginRight: LEGEND_WIDTH,
    color: { type: 'identity' },
    ...options,
    marks: [
      ...marks,
      atCorner(title, { frameAnchor: 'top-left', lineAnchor: 'bottom', dy: -18, fontSize: 14, fontWeight: 'bold' }),
      atCorner(caption, { frameAnchor: 'bottom-left', lineAnchor: 'top', dy: 50, fontSize: 10, fill: GREY }),
    ],
  });
  return toSvg(figure);
}

const atCorner = (text: string, options: Plot.TextOptions) =>
  Plot.text([text], { textAnchor: 'start', facet: 'super', ...options });

/** Names in the right margin, one below the other. */
export const drawLegend = (entries: readonly { text: string; color: string }[]) =>
  entries.map(({ text, color }, i) =>
    atCorner(text, { frameAnchor: 'top-right', lineAnchor: 'top', dx: 14, dy: i * LINE_HEIGHT, fill: color }),
  );

/** The height of a plot whose legend has so many lines, at least `least`. */
export const heightFor = (lines: number, least: number): number => Math.max(least, lines * LINE_HEIGHT);

/** Logarithmic, with a little room beside the values. */
export const logScale = (values: readonly number[]) =>
  ({ type: 'log', domain: [Math.min(...values) / 1.1, Math.max(...values) * 1.1] }) as const;

/** Grid and labels at round numbers. */
export function logAxisY(values: readonly number[]) {
  const [least, most] = logScale(values).domain;
  const marks = roundNumbers(least, most, most / least > 5 ? undefined : [1, 1.5, 2, 3, 4, 5, 6, 8]);
  return [Plot.gridY(marks), Plot.axisY(marks, { text: String, label: null })];
}

/** Without those that would be written over the one before. */
export const spaced = (xs: readonly number[]): number[] =>
  xs.filter((x, i) => !xs.slice(0, i).some((before) => x / before < 1.15));
