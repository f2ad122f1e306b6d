import {
  bootstrapInterval,
  type Coverage,
  compareTemporal,
  coverage,
  type ExtractorRecord,
  extrapolate,
  FEW_VIDEOS,
  type FeatureSet,
  featureDistance,
  findNearest,
  kernelDistance,
  type Protocol,
  pickRows,
  type TemporalFigures,
} from '@eflow/fvd';
import { number } from './format.ts';

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
  /** Median distance of features to the nearest of one half of the real videos: from generated ones, and from the other half. */
  nearest?: { generated: number; real: number };
  motion?: ReturnType<typeof compareTemporal>;
  warnings: string[];
}

const FOR_LIMIT = 100;
const NEIGHBOURS = 5;
const LEVEL = 0.95;
/** Of a real video's distance to the nearest other one, below which generated ones look like copies. */
const COPIES = 0.5;

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
  const halves = protocol.numReal >= 4 ? halve(real.features) : undefined;
  const floor = halves && {
    videos: Math.min(few, halves.videos),
    frechetDistance: distance(firstRows(halves.a, few), firstRows(halves.b, few)),
  };
  const nearest = halves && {
    generated: medianDistance(generated.features, halves.a),
    real: medianDistance(halves.b, halves.a),
  };
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
  if (nearest && nearest.generated < COPIES * nearest.real) {
    warnings.push(
      'generated videos are far nearer to real ones than those are to one another: copies? A Frechet distance does not see that',
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
    ...(nearest && { nearest }),
    ...(real.motion && generated.motion && { motion: compareTemporal(real.motion, generated.motion) }),
    warnings,
  };
}

/** Every other video, and those between: a folder may be sorted, by class or by name. */
function halve(set: FeatureSet): { a: FeatureSet; b: FeatureSet; videos: number } {
  const videos = Math.floor(set.features.length / set.numFeatures / 2);
  const half = (offset: number) =>
    pickRows(
      set,
      Array.from({ length: videos }, (_, i) => 2 * i + offset),
    );
  return { a: half(0), b: half(1), videos };
}

const firstRows = ({ features, numFeatures }: FeatureSet, most: number): FeatureSet => ({
  features: features.subarray(0, most * numFeatures),
  numFeatures,
});

function medianDistance(queries: FeatureSet, among: FeatureSet): number {
  const distances = findNearest(queries, among).map(({ distance }) => distance);
  return distances.sort((a, b) => a - b)[Math.floor(distances.length / 2)]!;
}
