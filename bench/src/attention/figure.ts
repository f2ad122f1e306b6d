import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';
import { RUNTIME_NAMES } from '../contestant.ts';
import type { Curve } from './headline.ts';
import type { AttentionReport } from './report.ts';
import { spread } from './spread.ts';
import { describeShape, KINDS, type Kind } from './workload.ts';

/** Okabe and Ito's colours, which the colour-blind tell apart. */
const COLORS: Readonly<Record<Kind, string>> = {
  softmax: '#d55e00',
  linear: '#0072b2',
  local: '#009e73',
  sla: '#cc79a7',
  glga: '#000000',
};
const NAMES: Readonly<Record<Kind, string>> = {
  softmax: 'softmax',
  linear: 'linear',
  local: 'local',
  sla: 'SLA',
  glga: 'GLGA',
};

const WIDTH = 720;
const HEIGHT = 520;
const FONT_SIZE = 13;
/** In the folder. */
const FILE = 'attention-latency';

interface Label {
  text: string;
  kind: Kind;
  bold: boolean;
  tokens: number;
  ms: number;
}

/**
 * The paper's figure 2a: latency of the forward pass against tokens, all kinds dense and GLGA with tokens dropped; the
 * others with tokens dropped as dashed lines. Throws if the report has no measurement of all kinds side by side.
 */
export function drawLatency(report: AttentionReport): string {
  const curves = report.headline?.curves.filter(({ points }) => points.length > 0) ?? [];
  if (curves.length === 0) throw new Error('drawLatency: the report has no curves; measure with --only headline');
  const rows = curves.flatMap((curve) =>
    curve.points.map(({ tokens, forward }) => ({
      ...curve,
      name: nameOf(curve),
      tokens,
      ms: 1000 * forward.summary.median,
    })),
  );
  const isMain = ({ kind, dropped }: { kind: Kind; dropped: boolean }) => !dropped || kind === 'glga';
  const counts = [...new Set(rows.map(({ tokens }) => tokens))].sort((a, b) => a - b);
  const values = rows.map(({ ms }) => ms);
  const [fastest, slowest] = [Math.min(...values), Math.max(...values)];
  const times = roundValues(fastest, slowest);
  const formatNumber = (value: number) => value.toLocaleString('en-US');
  const line = { x: 'tokens', y: 'ms', z: 'name', stroke: 'kind' } as const;
  const { document } = parseHTML('<html><body></body></html>');
  const draw = (labels: readonly Label[]) =>
    Plot.plot({
      document,
      width: WIDTH,
      height: HEIGHT,
      marginLeft: 56,
      marginRight: 170,
      marginTop: 36,
      marginBottom: 92,
      style: {
        fontFamily: 'Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif',
        fontSize: `${FONT_SIZE}px`,
        background: 'white',
        color: 'black',
      },
      x: { type: 'log', label: 'tokens, before any are dropped' },
      y: { type: 'log', label: 'forward pass, ms', domain: [fastest, slowest] },
      color: { domain: [...KINDS], range: KINDS.map((kind) => COLORS[kind]) },
      marks: [
        Plot.gridY(times),
        // As text, since the format of a logarithmic axis leaves out some numbers.
        Plot.axisY(times, { text: formatNumber }),
        Plot.axisX(counts, { text: formatNumber, labelAnchor: 'center', labelOffset: 38 }),
        Plot.line(
          rows.filter((row) => !isMain(row)),
          { ...line, strokeWidth: 1.2, strokeDasharray: '2 4' },
        ),
        Plot.line(
          rows.filter((row) => !row.dropped),
          { ...line, strokeWidth: 2 },
        ),
        Plot.line(
          rows.filter((row) => row.dropped && isMain(row)),
          { ...line, strokeWidth: 3.5, strokeDasharray: '8 3' },
        ),
        Plot.dot(rows.filter(isMain), { x: 'tokens', y: 'ms', fill: 'kind', r: 3 }),
        ...(['normal', 'bold'] as const).map((fontWeight) =>
          Plot.text(
            labels.filter(({ bold }) => bold === (fontWeight === 'bold')),
            { x: 'tokens', y: 'ms', text: 'text', fill: 'kind', fontWeight, textAnchor: 'start', dx: 10 },
          ),
        ),
        Plot.text([captionOf(report)], {
          frameAnchor: 'bottom-left',
          textAnchor: 'start',
          lineAnchor: 'top',
          dx: -44,
          dy: 54,
          fontSize: 11,
        }),
      ],
    });

  const wanted = curves.filter(isMain).map((curve): Label => {
    const last = curve.points.at(-1)!;
    const bold = curve.kind === 'glga';
    return { text: nameOf(curve), kind: curve.kind, bold, tokens: last.tokens, ms: 1000 * last.forward.summary.median };
  });
  const { apply, invert } = draw([]).scale('y')!;
  const heights = spread(
    wanted.map(({ ms }) => apply(ms) as number),
    FONT_SIZE + 3,
  );
  const svg = draw(wanted.map((label, i) => ({ ...label, ms: invert!(heights[i]) as number })));
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}

/** The same as PNG, twice the size in pixels, with the system's fonts. */
export function renderPng(svg: string): Uint8Array {
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 }, background: 'white', font }).render().asPng();
}

/** Writes both into `folder`, which is made if need be; returns their paths. */
export function writeFigure(report: AttentionReport, folder: string): string[] {
  const svg = drawLatency(report);
  mkdirSync(folder, { recursive: true });
  return (
    [
      ['svg', svg],
      ['png', renderPng(svg)],
    ] as const
  ).map(([ending, content]) => {
    const path = join(folder, `${FILE}.${ending}`);
    writeFileSync(path, content);
    return path;
  });
}

/** 1, 2 and 5 times powers of ten. */
function roundValues(from: number, to: number): number[] {
  const powers = Array.from({ length: 12 }, (_, i) => i - 5);
  const values = powers.flatMap((power) => [1, 2, 5].map((factor) => Number(`${factor}e${power}`)));
  return values.filter((value) => value >= from && value <= to);
}

const nameOf = ({ kind, dropped }: Curve) => (dropped ? `${NAMES[kind]}, 75 % dropped` : NAMES[kind]);

function captionOf({ machine, versions, shape, headline, date }: AttentionReport): string {
  const runtimes = versions.tensorflow ? `, ${RUNTIME_NAMES.tensorflow} ${versions.tensorflow}` : '';
  const composed = headline!.curves.some(({ points }) => points.some(({ native }) => native)) ? '' : ', no C++ kernels';
  return [
    `Medians; ${describeShape(shape)}, window +-${shape.windowSize}, float32${composed}. Thin dashes: the others with 75 % dropped.`,
    `${machine.cpu}, ${machine.cores} cores${runtimes}; commit ${machine.commit ?? 'unknown'}, ${date.slice(0, 10)}.`,
  ].join('\n');
}
