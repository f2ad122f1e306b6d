import { ATTENTION_KINDS } from '@eflow/attention';
import { plot, roundNumbers, toSvg } from '@eflow/figures';
import * as Plot from '@observablehq/plot';
import type { Kind } from './attention/workload.ts';
import { spread } from './spread.ts';

export interface Curve {
  /** Written at its end, unless it is faint. */
  name: string;
  color: string;
  /** 'strong': thick dashes; 'faint': thin ones without dots. */
  style: 'plain' | 'strong' | 'faint';
  /** Its name is bold. */
  bold?: boolean;
  points: readonly { x: number; y: number }[];
}

export interface Axes {
  x: { type: 'log' | 'linear'; label: string; ticks: readonly number[] };
  /** Logarithmic. */
  y: { label: string };
  /** Two lines, below. */
  caption: string;
}

interface Label {
  text: string;
  color: string;
  bold: boolean;
  x: number;
  y: number;
}

const WIDTH = 720;
const HEIGHT = 520;
const FONT_SIZE = 13;

/** Curves with at least one point each, as SVG. */
export function drawCurves(curves: readonly Curve[], { x, y, caption }: Axes): string {
  const rows = curves.flatMap(({ points, ...curve }) => points.map((point) => ({ ...curve, ...point })));
  const values = rows.map((row) => row.y);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const marks = roundNumbers(least, most);
  const formatNumber = (value: number) => value.toLocaleString('en-US');
  const line = { x: 'x', y: 'y', z: 'name', stroke: 'color' } as const;
  const inStyle = (style: Curve['style']) => rows.filter((row) => row.style === style);
  const draw = (labels: readonly Label[]) =>
    plot({
      width: WIDTH,
      height: HEIGHT,
      marginLeft: 56,
      marginRight: 170,
      marginTop: 36,
      marginBottom: 92,
      fontSize: FONT_SIZE,
      x: { type: x.type, label: x.label },
      y: { type: 'log', label: y.label, domain: [least, most] },
      color: { type: 'identity' },
      marks: [
        Plot.gridY(marks),
        // As text, since the format of a logarithmic axis leaves out some numbers.
        Plot.axisY(marks, { text: formatNumber }),
        Plot.axisX(x.ticks, { text: formatNumber, labelAnchor: 'center', labelOffset: 38 }),
        Plot.line(inStyle('faint'), { ...line, strokeWidth: 1.2, strokeDasharray: '2 4' }),
        Plot.line(inStyle('plain'), { ...line, strokeWidth: 2 }),
        Plot.line(inStyle('strong'), { ...line, strokeWidth: 3.5, strokeDasharray: '8 3' }),
        Plot.dot(
          rows.filter(({ style }) => style !== 'faint'),
          { x: 'x', y: 'y', fill: 'color', r: 3 },
        ),
        ...(['normal', 'bold'] as const).map((fontWeight) =>
          Plot.text(
            labels.filter(({ bold }) => bold === (fontWeight === 'bold')),
            { x: 'x', y: 'y', text: 'text', fill: 'color', fontWeight, textAnchor: 'start', dx: 10 },
          ),
        ),
        Plot.text([caption], {
          frameAnchor: 'bottom-left',
          textAnchor: 'start',
          lineAnchor: 'top',
          dx: -44,
          dy: 54,
          fontSize: 11,
        }),
      ],
    });

  const wanted = curves
    .filter(({ style }) => style !== 'faint')
    .map(({ name, color, bold = false, points }): Label => ({ text: name, color, bold, ...points.at(-1)! }));
  const { apply, invert } = draw([]).scale('y')!;
  const heights = spread(
    wanted.map((label) => apply(label.y) as number),
    FONT_SIZE + 3,
  );
  return toSvg(draw(wanted.map((label, i) => ({ ...label, y: invert!(heights[i]) as number }))));
}

/** Okabe and Ito's colours, which the colour-blind tell apart, but for one that is PyTorch's; in the order of the kinds. */
const COLORS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#000000', '#e69f00', '#f0e442'];

export const KIND_COLORS = byKind((_record, i) => COLORS[i % COLORS.length]!);

/** For people. */
export const KIND_NAMES = byKind(({ name }) => name);

function byKind(
  value: (record: (typeof ATTENTION_KINDS)[number], i: number) => string,
): Readonly<Record<Kind, string>> {
  return Object.fromEntries(ATTENTION_KINDS.map((record, i) => [record.kind, value(record, i)])) as Record<
    Kind,
    string
  >;
}
