import { runningMedian } from '@eflow/cli';
import { plot } from '@eflow/figures';
import { LOSS_TERMS } from '@eflow/flow';
import type { StepMetrics } from '@eflow/run';
import * as Plot from '@observablehq/plot';
import type { Result } from './evaluation.ts';

const WIDTH = 460;
const HEIGHT = 260;
/** Steps that the median of a loss takes on either side. */
const REACH = 12;

const draw = (options: Plot.PlotOptions): string =>
  plot({ width: WIDTH, height: HEIGHT, marginLeft: 52, grid: true, fontSize: 10, ...options }).outerHTML;

/** A chart of each residual that the objective has; SVG. */
export const lossCharts = (metrics: StepMetrics[]): string[] =>
  LOSS_TERMS.filter(({ name }) => metrics.at(-1)?.[name] !== undefined).map(({ name, label }) =>
    lossChart(
      metrics.map((m) => ({ step: m.step, value: m[name]! })),
      label,
    ),
  );

/** The mean squares of one residual, each step and their running median, on a logarithmic scale; SVG. */
function lossChart(losses: { step: number; value: number }[], label: string): string {
  const medians = runningMedian(
    losses.map(({ value }) => value),
    REACH,
  );
  const points = losses.map((loss, i) => ({ ...loss, median: medians[i]! })).filter(({ value }) => value > 0);
  return draw({
    title: label,
    x: { label: 'step' },
    y: { type: 'log', label: 'mean square', tickFormat: '~g' },
    marks: [
      Plot.dot(points, { x: 'step', y: 'value', r: 1, fill: '#9aa5b1' }),
      Plot.line(points, { x: 'step', y: 'median', stroke: '#1d4ed8', strokeWidth: 2 }),
    ],
  });
}

/** Frechet distance at one number of steps against training time, with the floor that real clips set; SVG. */
export function distanceChart(results: Result[], numSteps: number, floor: number): string {
  const points = results.filter((result) => result.numSteps === numSteps);
  return draw({
    title: `Frechet distance at ${numSteps} steps`,
    x: { label: 'minutes of training' },
    y: { type: 'log', label: 'distance', tickFormat: '~g' },
    marks: [
      Plot.ruleY([floor], { stroke: '#15803d', strokeDasharray: '4 3' }),
      Plot.text([floor], {
        y: (d: number) => d,
        frameAnchor: 'right',
        dy: -7,
        text: () => 'real clips',
        fill: '#15803d',
      }),
      Plot.line(points, { x: (d: Result) => d.seconds / 60, y: 'frechetDistance', stroke: '#1d4ed8' }),
      Plot.dot(points, { x: (d: Result) => d.seconds / 60, y: 'frechetDistance', fill: '#1d4ed8', r: 4 }),
    ],
  });
}
