import { assertComparable, type Coverage, isFvd, type Protocol } from '@eflow/fvd';
import type { Measurement } from './measure.ts';

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
      number(frechetDistance),
      `${number(kernelDistance)} +- ${number(kernelStandardError)}`,
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
    `\n${formatProtocol(protocol)}`,
  ].join('\n');
}

/** For people. */
export function formatMeasurement({ protocol, ...figures }: Measurement): string {
  const fvd = isFvd(protocol);
  const { interval, floor, limit, coverage: covers, nearest, motion } = figures;
  const rows: [string, string][] = [
    [fvd ? 'FVD' : `Frechet distance (${protocol.extractor}, not FVD)`, number(figures.frechetDistance)],
    ...optional(interval, ([low, high]) => ['  95 % of drawn-anew sets', `${number(low)} .. ${number(high)}`]),
    ...optional(floor, ({ videos, frechetDistance }) => [
      `  real ones, ${videos} against ${videos}`,
      number(frechetDistance),
    ]),
    ...optional(limit, ({ value, standardError }) => [
      '  for ever more videos',
      `${number(value)} +- ${number(standardError)}`,
    ]),
    [fvd ? 'KVD' : 'kernel distance', `${number(figures.kernelDistance)} +- ${number(figures.kernelStandardError)}`],
    ...Object.entries(covers ?? {}).map(([name, value]): [string, string] => [name, value.toFixed(3)]),
    ...optional(nearest, ({ generated, real }) => [
      'nearest real one, median',
      `${number(generated)} (of real ones ${number(real)})`,
    ]),
    ...Object.entries(motion ?? {}).map(([name, { real, generated, distance }]): [string, string] => [
      name,
      `${number(generated)} (real ${number(real)}, apart by ${number(distance)})`,
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    `\n${formatProtocol(protocol)}`,
    ...figures.warnings.map((warning) => `Warning: ${warning}`),
  ].join('\n');
}

const optional = <Value>(value: Value | undefined, tell: (value: Value) => [string, string]): [string, string][] =>
  value ? [tell(value)] : [];

function formatProtocol(protocol: Protocol): string {
  const { resize, preprocessing } = protocol;
  return [
    `${protocol.extractor}, ${protocol.feature}, weights ${protocol.weightsSha256.slice(0, 12)}`,
    `${protocol.numReal} real (${protocol.split}) and ${protocol.numGenerated} generated videos of ${protocol.numFrames} frames, stride ${protocol.frameStride}`,
    ...(resize ? [`frames to ${resize.height}x${resize.width}, ${resize.rule}, crop ${resize.crop}`] : []),
    ...(preprocessing ? [preprocessing] : []),
    `covariance over ${protocol.covarianceRule}`,
  ].join('; ');
}

/** To about four figures. */
export const number = (value: number): string => String(Number(value.toPrecision(4)));
