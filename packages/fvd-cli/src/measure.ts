import {
  assertComparable,
  bootstrapInterval,
  type Coverage,
  compareTemporal,
  coverage,
  type ExtractorRecord,
  extrapolate,
  FEW_VIDEOS,
  type FeatureSet,
  featureDistance,
  kernelDistance,
  type Protocol,
  pickRows,
  type TemporalFigures,
} from '@eflow/fvd';

/** Features of one kind of videos, and how they move. */
export interface Seen {
  features: FeatureSet;
  /** Absent: features came from a file. */
  motion?: TemporalFigures[];
  /** Absent: features came from a file that does not say what they are of. */
  record?: FeatureRecord;
}

/** All that features depend on besides the videos. */
export type FeatureRecord = ExtractorRecord & Pick<Protocol, 'numFrames' | 'frameStride'>;

/** All figures of generated videos against real ones, with what they were measured by. */
export interface Measurement {
  protocol: Protocol;
  /** Frechet distance; FVD if the features are I3D's logits. */
  frechetDistance: number;
  /** Of the bootstrap: where 95 % of the distances of drawn-anew sets lie. */
  interval?: [low: number, high: number];
  /** Between halves of the real videos, of so many each: what is no difference, but bias and chance. From 4 real videos on. */
  floor?: { videos: number; frechetDistance: number };
  /** The distance for ever more videos, without its bias. From 100 videos of each kind on. */
  limit?: { value: number; standardError: number };
  kernelDistance: number;
  kernelStandardError: number;
  coverage?: Coverage;
  motion?: ReturnType<typeof compareTemporal>;
  warnings: string[];
}

const FOR_LIMIT = 100;
const NEIGHBOURS = 5;
const LEVEL = 0.95;

/** Throws on fewer than 3 videos of a kind, or features of two extractors. */
export function measure(
  real: Seen,
  generated: Seen,
  protocol: Protocol,
  { bootstrap = 0, seed = 0 }: { bootstrap?: number; seed?: number } = {},
): Measurement {
  const distance = (a: FeatureSet, b: FeatureSet) => featureDistance(a, b, protocol.covarianceRule);
  const frechetDistance = distance(generated.features, real.features);
  const { distance: kernel, standardError } = kernelDistance(generated.features, real.features);
  const few = Math.min(protocol.numReal, protocol.numGenerated);
  const floor = protocol.numReal >= 4 ? floorOf(real.features, few, distance) : undefined;
  const limit = few >= FOR_LIMIT ? extrapolate(distance, generated.features, real.features, { seed }) : undefined;
  const warnings: string[] = [];
  if (few < FEW_VIDEOS) {
    const bias = floor
      ? `real ones against real ones, ${floor.videos} each, are already ${number(floor.frechetDistance)} apart`
      : 'by how much is not known of so few';
    warnings.push(`${few} videos: a Frechet distance of under ${FEW_VIDEOS} is biased upwards; ${bias}`);
  }
  if (protocol.numReal !== protocol.numGenerated) {
    warnings.push(
      `${protocol.numReal} real and ${protocol.numGenerated} generated videos: published numbers take as many of both`,
    );
  }
  return {
    protocol,
    frechetDistance,
    ...(bootstrap > 0 && {
      interval: bootstrapInterval(distance, generated.features, real.features, {
        resamples: bootstrap,
        level: LEVEL,
        seed,
      }),
    }),
    ...(floor && { floor }),
    ...(limit && { limit: { value: limit.limit, standardError: limit.standardError } }),
    ...{ kernelDistance: kernel, kernelStandardError: standardError },
    ...(few > NEIGHBOURS && { coverage: coverage(real.features, generated.features, NEIGHBOURS) }),
    ...(real.motion && generated.motion && { motion: compareTemporal(real.motion, generated.motion) }),
    warnings,
  };
}

/** Every other real video against those between: a folder may be sorted, by class or by name. */
function floorOf(real: FeatureSet, most: number, distance: (a: FeatureSet, b: FeatureSet) => number) {
  const videos = Math.min(most, Math.floor(real.features.length / real.numFeatures / 2));
  const half = (offset: number) =>
    pickRows(
      real,
      Array.from({ length: videos }, (_, i) => 2 * i + offset),
    );
  return { videos, frechetDistance: distance(half(0), half(1)) };
}

/**
 * A Markdown table of results by name, with their protocol below. Throws, naming what differs, unless all were measured alike.
 */
export function formatTable(results: readonly { name: string; measurement: Measurement }[]): string {
  assertComparable(results.map(({ measurement }) => measurement));
  const { protocol } = results[0]!.measurement;
  const isFvd = isFvdOf(protocol);
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
  const head = ['', isFvd ? 'FVD' : 'Frechet distance', isFvd ? 'KVD' : 'kernel distance'];
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [
    line([...head, 'precision', 'recall', 'density', 'coverage']),
    line(rows[0]!.map((_, i) => (i === 0 ? '---' : '--:'))),
    ...rows.map(line),
    `\n${formatProtocol(protocol)}`,
  ].join('\n');
}

const isFvdOf = ({ extractor, feature }: Protocol) => extractor.startsWith('I3D') && feature === 'logits';

/** For people. */
export function formatMeasurement({ protocol, ...figures }: Measurement): string {
  const isFvd = isFvdOf(protocol);
  const { interval, floor, limit, coverage: covers, motion } = figures;
  const rows: [string, string][] = [
    [isFvd ? 'FVD' : `Frechet distance (${protocol.extractor}, not FVD)`, number(figures.frechetDistance)],
    ...(interval
      ? [[`  95 % of drawn-anew sets`, `${number(interval[0])} .. ${number(interval[1])}`] as [string, string]]
      : []),
    ...(floor
      ? [[`  real ones, ${floor.videos} against ${floor.videos}`, number(floor.frechetDistance)] as [string, string]]
      : []),
    ...(limit
      ? [['  for ever more videos', `${number(limit.value)} +- ${number(limit.standardError)}`] as [string, string]]
      : []),
    [isFvd ? 'KVD' : 'kernel distance', `${number(figures.kernelDistance)} +- ${number(figures.kernelStandardError)}`],
    ...Object.entries(covers ?? {}).map(([name, value]): [string, string] => [name, value.toFixed(3)]),
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
const number = (value: number): string => String(Number(value.toPrecision(4)));
