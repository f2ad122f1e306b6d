import { saveFigure } from '@eflow/figures';
import { drawCurves, KIND_COLORS, KIND_NAMES, type Curve as Line } from '../figure.ts';
import { formatOrigin } from '../format.ts';
import type { AttentionReport, Curve } from './report.ts';
import { describeShape } from './workload.ts';

/** The file's name in the folder. */
const FILE = 'attention-latency';

/**
 * The paper's figure 2a: latency of the forward pass against tokens, all kinds dense and GLGA with tokens dropped; the
 * others with tokens dropped as dashed lines. Throws if the report has no measurement of all kinds side by side.
 */
export function drawLatency(report: AttentionReport): string {
  const curves = report.headline?.curves.filter(({ points }) => points.length > 0) ?? [];
  if (curves.length === 0) throw new Error('drawLatency: the report has no curves; measure with --only headline');
  const counts = new Set(curves.flatMap(({ points }) => points.map(({ tokens }) => tokens)));
  const lines = curves.map((curve) => ({
    name: nameOf(curve),
    color: KIND_COLORS[curve.kind],
    style: styleOf(curve),
    bold: curve.kind === 'glga',
    points: curve.points.map(({ tokens, forward }) => ({ x: tokens, y: 1000 * forward.summary.median })),
  }));
  return drawCurves(lines, {
    x: { type: 'log', label: 'tokens, before any are dropped', ticks: [...counts].sort((a, b) => a - b) },
    y: { label: 'forward pass, ms' },
    caption: captionOf(report),
  });
}

/** Writes it as SVG and PNG into `folder`, which is made if need be; returns their paths. */
export const writeFigure = (report: AttentionReport, folder: string): string[] =>
  saveFigure(folder, FILE, drawLatency(report));

function styleOf({ kind, dropped }: Curve): Line['style'] {
  if (!dropped) return 'plain';
  return kind === 'glga' ? 'strong' : 'faint';
}

const nameOf = ({ kind, dropped }: Curve) => (dropped ? `${KIND_NAMES[kind]}, 75 % dropped` : KIND_NAMES[kind]);

function captionOf({ machine, versions, shape, headline, date }: AttentionReport): string {
  const composed = headline!.curves.some(({ points }) => points.some(({ native }) => native)) ? '' : ', no C++ kernels';
  return [
    `Medians; ${describeShape(shape)}, window +-${shape.windowSize}, float32${composed}. Thin dashes: the others with 75 % dropped.`,
    formatOrigin({ machine, versions: { tensorflow: versions.tensorflow }, date }),
  ].join('\n');
}
