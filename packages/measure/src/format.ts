import { assertComparable, type Coverage, type Draw, isFvd, type Protocol } from '@eflow/fvd';
import { fourFigures } from './four-figures.ts';
import type { Measurement } from './measure.ts';
import { areUnknown, describeExtractor } from './self-checked.ts';
import { formatTally } from './tally.ts';

/**
 * A Markdown table of results by name, with their protocol below. Throws, naming what differs, unless all were measured alike.
 */
export function formatTable(results: readonly { name: string; measurement: Measurement }[]): string {
  assertComparable(results.map(({ measurement }) => measurement));
  const { protocol } = results[0]!.measurement;
  const fvd = isFvd(protocol);
  const rows = results.map(
    ({ name, measurement: { frechetDistance, kernelDistance, kernelStandardError, coverage } }) => [
      name,
      fourFigures(frechetDistance),
      `${fourFigures(kernelDistance)} +- ${fourFigures(kernelStandardError)}`,
      ...['precision', 'recall', 'density', 'coverage'].map(
        (part) => coverage?.[part as keyof Coverage].toFixed(3) ?? '-',
      ),
    ],
  );
  const head = ['', fvd ? 'FVD' : 'Frechet distance', fvd ? 'KVD' : 'kernel distance'];
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [
    line([...head, 'precision', 'recall', 'density', 'coverage']),
    line(rows[0]!.map((_, i) => (i === 0 ? '---' : '--:'))),
    ...rows.map(line),
    // The number that a model's videos were drawn from may differ from row to row.
    `\n${formatProtocol({ ...protocol, generatedDraw: undefined })}`,
  ].join('\n');
}

/** All figures for people, what became of the videos, the protocol and the warnings. */
export function formatMeasurement({ protocol, videos, ...figures }: Measurement): string {
  const fvd = isFvd(protocol);
  const { interval, floor, limit, coverage: covers, nearest, motion } = figures;
  const rows: [string, string][] = [
    [nameDistance(protocol), fourFigures(figures.frechetDistance)],
    ...optional(interval, ([low, high]) => [
      '  95 % bootstrap interval',
      `${fourFigures(low)} .. ${fourFigures(high)}`,
    ]),
    ...optional(floor, ({ videos, frechetDistance }) => [
      `  real ones, ${videos} against ${videos}`,
      fourFigures(frechetDistance),
    ]),
    ...optional(limit, ({ value, standardError }) => [
      '  extrapolated to infinitely many videos',
      `${fourFigures(value)} +- ${fourFigures(standardError)}`,
    ]),
    [
      fvd ? 'KVD' : 'kernel distance',
      `${fourFigures(figures.kernelDistance)} +- ${fourFigures(figures.kernelStandardError)}`,
    ],
    ...Object.entries(covers ?? {}).map(([name, value]): [string, string] => [name, value.toFixed(3)]),
    ...optional(nearest, ({ generated, real }) => [
      'nearest real one, median',
      `${fourFigures(generated)} (of real ones ${fourFigures(real)})`,
    ]),
    ...Object.entries(motion ?? {}).map(([name, { real, generated, distance }]): [string, string] => [
      name,
      `${fourFigures(generated)} (real ${fourFigures(real)}, apart by ${fourFigures(distance)})`,
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    '',
    formatTally('real', videos.real),
    formatTally('generated', videos.generated),
    formatProtocol(protocol),
    ...figures.warnings.map((warning) => `Warning: ${warning}`),
  ].join('\n');
}

/** What a Frechet distance is called: FVD of I3D's logits alone. */
function nameDistance(protocol: Protocol): string {
  if (!isFvd(protocol)) return `Frechet distance (${protocol.extractor}, not FVD)`;
  return areUnknown(protocol) ? 'FVD (weights unknown)' : 'FVD';
}

const optional = <Value>(value: Value | undefined, tell: (value: Value) => [string, string]): [string, string][] =>
  value ? [tell(value)] : [];

function formatProtocol(protocol: ShownProtocol): string {
  const { resize, preprocessing, numReal, realDraw, numGenerated, generatedDraw, split } = protocol;
  return [
    describeExtractor(protocol),
    `${formatDraw(numReal, realDraw, 'real', [split])} and ${formatDraw(numGenerated, generatedDraw, 'generated', [])}`,
    `${protocol.numFrames} frames, stride ${protocol.frameStride}`,
    ...(resize ? [`frames to ${resize.height}x${resize.width}, ${resize.rule}, crop ${resize.crop}`] : []),
    ...(preprocessing ? [preprocessing] : []),
    `covariance over ${protocol.covarianceRule}`,
  ].join('; ');
}

type ShownProtocol = Omit<Protocol, 'generatedDraw'> & { generatedDraw?: Draw | undefined };

/** Such as `6 of 12 real videos (train, drawn by seed 0)`. */
function formatDraw(count: number, draw: Draw | undefined, kind: string, notes: readonly string[]): string {
  const all = [
    ...notes,
    ...(draw?.seed === undefined ? [] : [`drawn by seed ${draw.seed}`]),
    ...(draw?.start === 'random' ? ['random starts'] : []),
  ];
  return `${count}${draw ? ` of ${draw.of}` : ''} ${kind} videos${all.length > 0 ? ` (${all.join(', ')})` : ''}`;
}
