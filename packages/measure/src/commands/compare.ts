import { countOf, createProgress } from '@eflow/cli';
import type { HeldOut } from '@eflow/data';
import { assertComparable, type Extractor, PROTOCOL_PRESETS } from '@eflow/fvd';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { readSeen, takeVideos, throughCache } from '../feature-cache.ts';
import { formatMeasurement } from '../format.ts';
import { assertSameSize, countVideos, recordFeatures, type Seen } from '../look.ts';
import { measure } from '../measure.ts';
import { areUnknown } from '../self-checked.ts';
import { type FileSource, openSource, type SourceSpec } from '../sources.ts';
import { formatRejections, formatTally } from '../tally.ts';
import { extractorSpec, type LookFlags, openExtractor, sourceSpec } from './flags.ts';
import { lookAloud } from './look-aloud.ts';
import { checkSource, checkWritable, isNpz } from './paths.ts';

export interface CompareFlags extends LookFlags {
  split?: string;
  heldOut?: HeldOut;
  bootstrap: number;
  json?: string;
  cache: string | false;
}

/** Videos of a kind that a measurement needs. */
export const LEAST_VIDEOS = 3;

/** Real or generated videos: features that were seen already, or clips to look at. */
type Side = { what: string; path: string } & ({ seen: Seen } | { source: FileSource });

/** Prints all figures of generated videos against real ones. Throws before weights are loaded where that can be known. */
export async function compare(realPath: string, generatedPath: string, asked: CompareFlags): Promise<void> {
  const { protocol, heldOut, bootstrap, seed, json } = asked;
  const { split = heldOut === undefined ? 'train' : 'held-out' } = asked;
  const paths = [realPath, generatedPath];
  for (const path of paths) checkSource(path);
  const spec = sourceSpec(asked, paths);
  const flags = { ...asked, frames: spec.numFrames };
  if (paths.some((path) => !isNpz(path))) extractorSpec(flags);
  if (json) checkWritable(json);
  const sides = [
    await openSide('real', realPath, { ...spec, heldOut }),
    await openSide('generated', generatedPath, spec),
  ] as const;
  for (const side of sides) requireEnoughListed(side);
  assertSameSize(sizeOf(sides[0]), sizeOf(sides[1]));
  const extractor = sides.every((side) => 'seen' in side) ? undefined : await openExtractor(flags);
  checkRecords(sides, extractor, spec);
  const real = await see(sides[0], extractor, spec, flags);
  assertSameSize(real, sizeOf(sides[1]));
  const generated = await see(sides[1], extractor, spec, flags);

  const progress = createProgress(1);
  const onProgress = (done: number, total: number) =>
    progress.update(done / total, `figures, step ${done} of ${total}`);
  const { covarianceRule } = PROTOCOL_PRESETS[protocol];
  const record = { ...UNKNOWN, numFrames: spec.numFrames, frameStride: spec.frameStride };
  const by = { record, covarianceRule, split };
  const measurement = measure(real, generated, by, { bootstrap, seed, onProgress });
  progress.end();
  for (const [i, seen] of [real, generated].entries()) {
    if (seen.record) continue;
    measurement.warnings.push(
      `${paths[i]} does not say what made its features: the figures mean something only if one extractor made both`,
    );
  }
  if (areUnknown(measurement.protocol)) {
    measurement.warnings.push(
      'nothing tells that these weights of I3D are those of the original FVD: check them once by eflow-fvd self-check --weights FILE',
    );
  }
  console.log(formatMeasurement(measurement));
  if (json) {
    writeFileAtomically(json, `${JSON.stringify(measurement, null, 2)}\n`);
    console.log(json);
  }
}

/** The record of features from elsewhere. */
const UNKNOWN = { extractor: 'unknown', weightsSha256: 'unknown', feature: 'features' };

async function openSide(what: string, path: string, spec: SourceSpec): Promise<Side> {
  if (isNpz(path) && spec.heldOut !== undefined) {
    throw new Error(`${path} holds features, of which no part can be held out: give the folder of prepared videos`);
  }
  if (isNpz(path)) return { what, path, seen: takeVideos(await readSeen(path), spec.most, spec.seed) };
  return { what, path, source: await openSource(path, spec) };
}

const sizeOf = (side: Side) => ('seen' in side ? side.seen : side.source);

/** Throws, after what was rejected is told, if too few videos are listed. */
function requireEnoughListed(side: Side): void {
  const videos = 'seen' in side ? countVideos(side.seen) : side.source.expected();
  if (videos < LEAST_VIDEOS && 'source' in side) {
    for (const line of formatRejections(side.what, side.source.tally())) console.error(line);
  }
  requireEnough(side.path, videos);
}

function requireEnough(path: string, videos: number): void {
  if (videos >= LEAST_VIDEOS) return;
  throw new Error(`${path}: ${countOf(videos, 'video')} to measure; at least ${LEAST_VIDEOS} of each kind are needed`);
}

/** Throws, before anything is looked at, if the features of a file were made otherwise than the others are or would be. */
function checkRecords(sides: readonly Side[], extractor: Extractor | undefined, spec: SourceSpec): void {
  const stored = sides.map((side) => ('seen' in side ? side.seen.record : undefined));
  const records = [...stored, extractor && recordFeatures(extractor, spec)].filter((record) => record !== undefined);
  assertComparable(records.map((protocol) => ({ protocol })));
}

/** What was seen of a side: from its file, from the cache, or looked at now. Throws if too few videos could be used. */
async function see(
  side: Side,
  extractor: Extractor | undefined,
  spec: SourceSpec,
  { cache, batch }: CompareFlags,
): Promise<Seen> {
  const { what, path } = side;
  let seen: Seen;
  if ('seen' in side) seen = side.seen;
  else {
    const by = extractor!; // there is one unless both sides are files
    const lookNow = () => lookAloud(what, side.source, by, batch);
    seen = await (cache ? throughCache(cache, { source: side.source, spec, extractor: by }, lookNow) : lookNow());
  }
  for (const line of formatRejections(what, seen.tally)) console.error(line);
  if (countVideos(seen) < LEAST_VIDEOS) console.error(formatTally(what, seen.tally));
  requireEnough(path, countVideos(seen));
  return seen;
}
