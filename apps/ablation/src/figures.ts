import { mean, runningMedian } from '@eflow/cli';
import type { StepMetrics } from '@eflow/run';
import * as Plot from '@observablehq/plot';
import { draw, drawLegend, GREY, heightFor, logAxisY, logScale, spaced } from './draw.ts';
import { type Group, type Quality, relativeSpeeds } from './tables.ts';

/** Steps that a running median takes on either side, of a long run and as a share of a short one's. */
const SMOOTHING = { steps: 25, share: 0.05 };
/** Points that a curve is drawn with, about. */
const CURVE_POINTS = 400;
const COLORS = ['#1d4ed8', '#d97706', '#15803d', '#be185d', '#6d28d9', '#0e7490', '#854d0e', '#4b5563'];

/** Distance against network evaluations, both logarithmic: a line through the seeds' means for each measure of each cell. */
export function drawQuality({ base, real, points }: Quality, caption: string): string {
  const names = [...new Set(points.map(({ name }) => name))];
  const samplers = (name: string) => [...new Set(points.filter((one) => one.name === name).map((one) => one.sampler))];
  const rows = points.map(({ name, sampler, result, distances, mean: { frechetDistance } }) => ({
    name: `${name}, ${sampler}`,
    color: colorOf(names, name),
    isDashed: samplers(name).indexOf(sampler) > 0,
    x: result.nfe + result.weakNfe,
    y: frechetDistance,
    seeds: Object.values(distances),
  }));
  const seeds = rows.flatMap(({ color, x, seeds: values }) => values.map((y) => ({ x, y, color })));
  const line = { x: 'x', y: 'y', z: 'name', stroke: 'color', strokeWidth: 2 } as const;
  const legend = [...new Map(rows.map(({ name, ...row }) => [name, { name, ...row }])).values()];
  const xs = [...new Set(rows.map(({ x }) => x))].sort((a, b) => a - b);
  const values = [real.frechetDistance, ...seeds.map(({ y }) => y)];
  return draw(`Frechet distance on ${base}`, caption, {
    height: heightFor(legend.length + 1, 350),
    x: { type: 'log', label: 'network evaluations per sample' },
    y: logScale(values),
    marks: [
      ...logAxisY(values),
      Plot.axisX(spaced(xs), { text: String, labelAnchor: 'center', labelOffset: 34 }),
      Plot.ruleY([real.frechetDistance], { stroke: GREY, strokeDasharray: '2 3' }),
      Plot.line(
        rows.filter(({ isDashed }) => !isDashed),
        line,
      ),
      Plot.line(
        rows.filter(({ isDashed }) => isDashed),
        { ...line, strokeDasharray: '7 4' },
      ),
      Plot.dot(seeds, { x: 'x', y: 'y', fill: 'color', r: 3, fillOpacity: 0.7 }),
      ...drawLegend([
        ...legend.map(({ name, color, isDashed }) => ({ text: `${isDashed ? '- -' : '—'} ${name}`, color })),
        { text: '··· real held-out clips', color: GREY },
      ]),
    ],
  });
}

/** Bars of clips per second in times of the reference's, with the range over the seeds; undefined where nothing compares. */
export function drawThroughput(groups: readonly Group[], reference: string, caption: string): string | undefined {
  const names = [...new Set(groups.map(({ name }) => name))];
  const bases = [...new Set(groups.map(({ base }) => base))];
  const rows = groups.flatMap((group) => {
    const speeds = relativeSpeeds(group, groups, reference);
    if (speeds.length === 0) return [];
    const [low, high] = [Math.min(...speeds), Math.max(...speeds)];
    const { base, name } = group;
    return [{ base, name, color: colorOf(names, name), speed: mean(speeds), low, high }];
  });
  if (rows.length === 0) return undefined;
  const place = { y: 'name', fy: 'base' } as const;
  return draw(`Training throughput, in times of ${reference}`, caption, {
    height: bases.length * (20 + 30 * names.length),
    marginLeft: 190,
    marginRight: 130,
    x: {
      label: 'clips/s against the reference',
      labelAnchor: 'center',
      labelOffset: 34,
      grid: true,
      domain: [0, 1.12 * Math.max(...rows.map(({ high }) => high))],
    },
    y: { label: null, domain: names },
    fy: { label: null, domain: bases },
    marks: [
      Plot.barX(rows, { x: 'speed', ...place, fill: 'color', fillOpacity: 0.85, insetTop: 2, insetBottom: 2 }),
      Plot.ruleY(rows, { x1: 'low', x2: 'high', ...place, stroke: 'black', strokeWidth: 1.5 }),
      Plot.text(rows, { x: 'high', ...place, text: ({ speed }) => `${speed.toFixed(2)}x`, textAnchor: 'start', dx: 6 }),
      Plot.ruleX([1], { strokeDasharray: '3 3' }),
    ],
  });
}

/** A cell's metrics, seed by seed. */
export interface Curve {
  name: string;
  seed: number;
  metrics: StepMetrics[];
}

/** The running median of the velocity loss against seconds of training, logarithmic: a line for each seed of each cell. */
export function drawLoss(base: string, curves: readonly Curve[], caption: string): string {
  const names = [...new Set(curves.map(({ name }) => name))];
  const rows = curves.flatMap(({ name, seed, metrics }) => {
    const reach = Math.min(SMOOTHING.steps, Math.floor(SMOOTHING.share * metrics.length));
    const medians = runningMedian(
      metrics.map(({ velocityLoss }) => velocityLoss ?? Number.NaN),
      reach,
    );
    const every = Math.ceil(metrics.length / CURVE_POINTS);
    return metrics.flatMap(({ seconds }, i) =>
      i % every === 0 && medians[i]! > 0
        ? [{ line: `${name} ${seed}`, color: colorOf(names, name), seconds, loss: medians[i]! }]
        : [],
    );
  });
  return draw(`Velocity loss on ${base}, running median`, caption, {
    height: heightFor(names.length, 310),
    x: { label: 'seconds of training', labelAnchor: 'center', labelOffset: 34, zero: true },
    y: logScale(rows.map(({ loss }) => loss)),
    marks: [
      ...logAxisY(rows.map(({ loss }) => loss)),
      Plot.line(rows, { x: 'seconds', y: 'loss', z: 'line', stroke: 'color', strokeWidth: 1.4 }),
      ...drawLegend(names.map((name) => ({ text: `— ${name}`, color: colorOf(names, name) }))),
    ],
  });
}

const colorOf = (names: readonly string[], name: string): string => COLORS[names.indexOf(name) % COLORS.length]!;
