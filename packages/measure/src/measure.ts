import {
  assertComparable,
  bootstrapInterval,
  type Coverage,
  compareTemporal,
  coverage,
  drawRows,
  EXTRAPOLATION_POINTS,
  extrapolate,
  FEW_VIDEOS,
  type FeatureSet,
  featureDistance,
  findNearest,
  kernelDistance,
  type Protocol,
  pickRows,
} from '@eflow/fvd';
import { fourFigures } from './four-figures.ts';
import type { FactorJudgement } from './judge-factors.ts';
import { assertSameSize, countVideos, type FeatureRecord, type Judgement, type Seen } from './look.ts';
import { drawOf, type Tally } from './tally.ts';

/**
 * All figures of generated videos against real ones, with what they were measured by: what `eflow-fvd`, training and evaluation write.
 * Those beside the distances are there where they could be had, and were asked for.
 */
export interface Measurement extends Partial<Judgement> {
  protocol: Protocol;
  /** What became of the videos of each kind. */
  videos: { real: Tally; generated: Tally };
  /** Frechet distance; FVD if the features are I3D's logits. */
  frechetDistance: number;
  /** The 95 % bootstrap interval. */
  interval?: [low: number, high: number];
  /** The distance between random halves of the real videos, of so many each: bias and chance alone. From 4 real videos on. */
  floor?: { videos: number; frechetDistance: number };
  /** The distance extrapolated to infinitely many videos, without its bias. From 100 videos of each kind on. */
  limit?: { value: number; standardError: number };
  kernelDistance: number;
  kernelStandardError: number;
  /** Whether clips show what their captions say. */
  factors?: FactorJudgement;
  coverage?: Coverage;
  /** Median distance of features to the nearest of one half of the real videos: from generated ones, and from the other half. */
  nearest?: { generated: number; real: number };
  motion?: ReturnType<typeof compareTemporal>;
  warnings: string[];
}

/** What a protocol says that features do not. */
export interface MeasuredBy extends Pick<Protocol, 'covarianceRule' | 'split'> {
  /** What made the features, where they do not say it. */
  record?: FeatureRecord;
}

const FOR_LIMIT = 100;
const NEIGHBOURS = 5;
const LEVEL = 0.95;
/** Number of the random stream that draws the halves, far from those of the bootstrap and the extrapolation. */
const HALVES = 0xffff_ffff;
/** Share of the distance from one real video to the nearest other one, below which generated videos look like copies. */
const COPIES = 0.5;

export interface MeasureOptions {
  /** The two distances and what is known besides, without the floor, the limit, coverage and nearest videos, which take longer. */
  brief?: boolean;
  /** Draws for an interval, at least 20; none unless given. */
  bootstrap?: number;
  /** Draws the halves of the real videos, the bootstrap and the extrapolation, an integer in [0, 2^32); 0 unless given. */
  seed?: number;
  /** Is told, before each piece of the work, how many of all are done. */
  onProgress?: (done: number, total: number) => void;
}

/** What a measurement of one kind of videos against the other depends on. Throws, naming what differs, if not all features were made alike. */
function createProtocol(real: Seen, generated: Seen, { record, covarianceRule, split }: MeasuredBy): Protocol {
  const records = [real.record, generated.record].filter((one) => one !== undefined);
  assertComparable(records.map((protocol) => ({ protocol })));
  const known = records[0] ?? record;
  if (!known) throw new Error('measure: neither features say what made them; give a record of it');
  return {
    ...known,
    covarianceRule,
    numReal: countVideos(real),
    numGenerated: countVideos(generated),
    realDraw: drawOf(real.tally),
    generatedDraw: drawOf(generated.tally),
    split,
  };
}

/** All figures of generated videos against real ones. Throws on fewer than 3 videos of a kind, features of two extractors, and frames of two sizes. */
export function measure(
  real: Seen,
  generated: Seen,
  by: MeasuredBy,
  { brief = false, bootstrap = 0, seed = 0, onProgress = () => {} }: MeasureOptions = {},
): Measurement {
  const protocol = createProtocol(real, generated, by);
  assertSameSize(real, generated);
  const few = Math.min(protocol.numReal, protocol.numGenerated);
  const isHalved = !brief && protocol.numReal >= 4;
  const isExtrapolated = !brief && few >= FOR_LIMIT;
  const isCovered = !brief && few > NEIGHBOURS;
  const total = 2 + (isHalved ? 3 : 0) + (isExtrapolated ? EXTRAPOLATION_POINTS : 0) + (isCovered ? 1 : 0) + bootstrap;
  let done = 0;
  const step = <Result>(work: () => Result): Result => {
    onProgress(done++, total);
    return work();
  };
  const distance = (a: FeatureSet, b: FeatureSet) => step(() => featureDistance(a, b, protocol.covarianceRule));
  const frechetDistance = distance(generated.features, real.features);
  const { distance: kernel, standardError } = step(() => kernelDistance(generated.features, real.features));
  const halves = isHalved ? halve(real.features, seed) : undefined;
  const floor = halves && {
    videos: Math.min(few, halves.videos),
    frechetDistance: distance(firstRows(halves.a, few), firstRows(halves.b, few)),
  };
  const nearest = halves && {
    generated: step(() => medianDistance(generated.features, halves.a)),
    real: step(() => medianDistance(halves.b, halves.a)),
  };
  const covers = isCovered ? step(() => coverage(real.features, generated.features, NEIGHBOURS)) : undefined;
  const limit = isExtrapolated ? extrapolate(distance, generated.features, real.features, { seed }) : undefined;
  const interval =
    bootstrap > 0
      ? bootstrapInterval(distance, generated.features, real.features, { resamples: bootstrap, level: LEVEL, seed })
      : undefined;
  const warnings: string[] = [];
  if (few < FEW_VIDEOS) {
    const bias = floor
      ? `real ones against real ones, ${floor.videos} each, are already ${fourFigures(floor.frechetDistance)} apart`
      : 'by how much cannot be told from so few';
    warnings.push(`${few} videos: a Frechet distance of fewer than ${FEW_VIDEOS} is biased upwards; ${bias}`);
  }
  if (protocol.numReal !== protocol.numGenerated) {
    warnings.push(
      `${protocol.numReal} real and ${protocol.numGenerated} generated videos: published numbers compare equally many`,
    );
  }
  if (nearest && nearest.generated < COPIES * nearest.real) {
    warnings.push(
      'generated videos are far nearer to real ones than those are to one another: copies? A Frechet distance does not see that',
    );
  }
  return {
    protocol,
    videos: { real: real.tally, generated: generated.tally },
    frechetDistance,
    interval,
    floor,
    limit: limit && { value: limit.limit, standardError: limit.standardError },
    kernelDistance: kernel,
    kernelStandardError: standardError,
    ...generated.judgement,
    factors: generated.factors,
    coverage: covers,
    nearest,
    motion: real.motion && generated.motion && compareTemporal(real.motion, generated.motion),
    warnings,
  };
}

/** Random halves: a file of features may be sorted, by class or by name. */
function halve(set: FeatureSet, seed: number): { a: FeatureSet; b: FeatureSet; videos: number } {
  const count = set.features.length / set.numFeatures;
  const videos = Math.floor(count / 2);
  const rows = drawRows(count, count, [seed, HALVES]);
  return { a: pickRows(set, rows.slice(0, videos)), b: pickRows(set, rows.slice(videos, 2 * videos)), videos };
}

const firstRows = ({ features, numFeatures }: FeatureSet, most: number): FeatureSet => ({
  features: features.subarray(0, most * numFeatures),
  numFeatures,
});

function medianDistance(queries: FeatureSet, among: FeatureSet): number {
  const distances = findNearest(queries, among).map(({ distance }) => distance);
  return distances.sort((a, b) => a - b)[Math.floor(distances.length / 2)]!;
}
