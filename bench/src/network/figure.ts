import { saveFigure } from '@eflow/figures';
import { KINDS, type Kind } from '../attention/workload.ts';
import { type Curve, drawCurves, KIND_COLORS, KIND_NAMES } from '../figure.ts';
import { formatOrigin } from '../format.ts';
import { dropped } from './groups.ts';
import type { EntryReport, NetworkReport } from './report.ts';

/** The files' names in the folder. */
const FILES = { tokens: 'network-step-against-tokens', drop: 'network-step-against-drop' };

/** Where the step is drawn against the share of tokens dropped, if it was measured. */
const DROP_TOKENS = 4096;

const TORCH_COLOR = '#56b4e9';

/**
 * Time of a training step against tokens: dense softmax and GLGA, GLGA with most tokens dropped, and torch.compile's dense
 * softmax. Undefined unless several numbers of tokens were measured.
 */
export function drawTokens(report: NetworkReport): string | undefined {
  const entries = entriesOf(report);
  const glga = entries.filter(({ name, kind }) => name === 'compiled' && kind === 'glga');
  const least = Math.min(...glga.map(({ keepRatio }) => keepRatio));
  const points = (name: string, kind: Kind, keepRatio = 1) =>
    pointsOf(entries, { name, kind, keepRatio }, ({ tokens }) => tokens);
  const curves: Curve[] = [
    { name: 'torch.compile, softmax', color: TORCH_COLOR, style: 'plain', points: points('torch-compile', 'softmax') },
    { ...ours('softmax'), points: points('compiled', 'softmax') },
    { ...ours('glga'), points: points('compiled', 'glga') },
  ];
  if (least < 1) {
    const name = `GLGA, ${dropped(least)}`;
    curves.push({ ...ours('glga'), name, style: 'strong', bold: true, points: points('compiled', 'glga', least) });
  }
  return draw(report, curves, { type: 'log', label: 'tokens, before any are dropped' });
}

/**
 * The same against the share of the middle's tokens dropped, of each attention. Undefined unless several shares were
 * measured at one number of tokens: 4,096, or else the most.
 */
export function drawDrop(report: NetworkReport): string | undefined {
  const entries = entriesOf(report);
  const counts = entries.map(({ tokens }) => tokens);
  const tokens = counts.includes(DROP_TOKENS) ? DROP_TOKENS : Math.max(...counts);
  const points = (kind: Kind) =>
    pointsOf(entries, { name: 'compiled', kind, tokens }, ({ keepRatio }) => 100 * (1 - keepRatio));
  const curves = KINDS.map((kind): Curve => ({ ...ours(kind), points: points(kind) }));
  return draw(report, curves, {
    type: 'linear',
    label: `of ${tokens.toLocaleString('en-US')} tokens, dropped in the middle, %`,
  });
}

/** Writes those that there are as SVG and PNG into `folder`, which is made if need be; returns their paths. */
export function writeFigures(report: NetworkReport, folder: string): string[] {
  const [tokens, drop] = [drawTokens(report), drawDrop(report)];
  return [
    ...(tokens ? saveFigure(folder, FILES.tokens, tokens) : []),
    ...(drop ? saveFigure(folder, FILES.drop, drop) : []),
  ];
}

const ours = (kind: Kind) => ({ name: KIND_NAMES[kind], color: KIND_COLORS[kind], style: 'plain' as const });

type Measured = EntryReport & { batchSize: number };

const entriesOf = ({ groups }: NetworkReport): Measured[] =>
  groups.flatMap(({ batchSize, entries }) => entries.map((entry) => ({ ...entry, batchSize })));

/** Milliseconds of the step for each clip, of the entries that are as wanted, from the least x to the largest. */
function pointsOf(entries: readonly Measured[], wanted: Partial<EntryReport>, x: (entry: Measured) => number) {
  const keys = Object.keys(wanted) as (keyof EntryReport)[];
  return entries
    .filter((entry) => keys.every((key) => entry[key] === wanted[key]))
    .flatMap((entry) => (entry.step ? [{ x: x(entry), y: (1000 * entry.step.summary.median) / entry.batchSize }] : []))
    .sort((a, b) => a.x - b.x);
}

function draw(
  report: NetworkReport,
  all: readonly Curve[],
  x: { type: 'log' | 'linear'; label: string },
): string | undefined {
  const curves = all.filter(({ points }) => points.length > 0);
  const ticks = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b);
  if (ticks.length < 2) return undefined;
  const { size, windowSize } = report;
  const networks = `hidden size ${size.hiddenSize}, ${size.numHeads} heads, depth ${size.depth.join('/')}, window +-${windowSize}`;
  return drawCurves(curves, {
    x: { ...x, ticks },
    y: { label: 'training step, ms for each clip' },
    caption: `Medians; ${networks}, float32.\n${formatOrigin(report)}`,
  });
}
