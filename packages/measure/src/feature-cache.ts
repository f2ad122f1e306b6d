import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNpz, writeNpz } from '@eflow/checkpoint';
import {
  drawRows,
  type Extractor,
  FEATURES_VERSION,
  pickRows,
  recordExtractor,
  TEMPORAL_FIGURES,
  type TemporalFigures,
} from '@eflow/fvd';
import { countVideos, type Seen } from './look.ts';
import type { FileSource, SourceSpec } from './sources.ts';
import { createTally } from './tally.ts';

/** Raise it when what is kept of videos changes, such as how their motion is measured. */
const CACHE_VERSION = 3;

/** Rejections that a less busy machine may not repeat: what was seen beside them is not kept. */
const MAY_PASS = ['deadline', 'memory', 'crash'] as const;

/**
 * What an extractor saw of a source, from the cache, or seen now and kept there. Its name is a hash of all that it depends on: the
 * files with their sizes and times, what decodes them, the clips' spec, the extractor with its weights and how it resizes, and the
 * versions of this code. A file that is damaged is made again; where none can be written, that is said and the work goes on.
 */
export async function throughCache(
  folder: string,
  { source, spec, extractor }: { source: Pick<FileSource, 'fingerprint'>; spec: SourceSpec; extractor: Extractor },
  look: () => Promise<Seen>,
): Promise<Seen> {
  const versions = [packageVersion(), CACHE_VERSION, FEATURES_VERSION];
  const key = JSON.stringify([versions, await source.fingerprint(), spec, recordExtractor(extractor)]);
  const file = join(folder, `${createHash('sha256').update(key).digest('hex')}.npz`);
  if (existsSync(file)) {
    try {
      return await readSeen(file);
    } catch (error) {
      console.error(`Warning: a kept file is damaged, so the videos are looked at again: ${(error as Error).message}`);
    }
  }
  const seen = await look();
  if (MAY_PASS.some((code) => seen.tally.rejectedByCode[code])) return seen;
  try {
    mkdirSync(folder, { recursive: true });
    await writeSeen(file, seen);
  } catch (error) {
    console.error(
      `Warning: what was seen cannot be kept in ${folder} (${(error as Error).message}); the next run looks again. Give another folder with --cache`,
    );
  }
  return seen;
}

const packageVersion = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/**
 * Writes what was seen, for `readSeen`. The record of what made the features and the tally of the videos are JSON, one code of it in
 * UTF-8 after the other: in Python `bytes(x["record"].astype("uint8"))`.
 */
export const writeSeen = (file: string, { features: { features, numFeatures }, ...rest }: Seen): Promise<void> => {
  const { motion, record, tally, frameSize } = rest;
  return writeNpz(file, {
    features: { shape: [features.length / numFeatures, numFeatures], data: features },
    ...(motion && {
      motion: {
        shape: [motion.length, TEMPORAL_FIGURES.length],
        data: Float64Array.from(motion.flatMap((figures) => TEMPORAL_FIGURES.map((name) => figures[name]))),
      },
    }),
    ...(record && { record: encode(record) }),
    ...(frameSize && { frameSize: { shape: [2], data: Float32Array.from(frameSize) } }),
    tally: encode(tally),
  });
};

function encode(value: object) {
  const data = Float32Array.from(new TextEncoder().encode(JSON.stringify(value)));
  return { shape: [data.length], data };
}

const decode = (codes: { data: ArrayLike<unknown> }) =>
  JSON.parse(new TextDecoder().decode(Uint8Array.from(codes.data as ArrayLike<number>)));

/**
 * What `eflow-fvd features` or the cache wrote, or features from elsewhere, which come without a record and a tally of their own.
 * Throws, naming the file, if it holds no features.
 */
export async function readSeen(file: string): Promise<Seen> {
  const arrays = await readNpz(file);
  const { shape, data } = arrays.get('features') ?? {};
  if (shape?.length !== 2 || !(data instanceof Float32Array || data instanceof Float64Array)) {
    throw new Error(`${file}: expected an array 'features' of floats, [videos, features]`);
  }
  const [count, numFeatures] = [shape[0]!, shape[1]!];
  const [motion, record, tally, size] = ['motion', 'record', 'tally', 'frameSize'].map((name) => arrays.get(name));
  try {
    return {
      features: { features: data, numFeatures },
      tally: tally ? decode(tally) : createTally({ seen: count, measured: count, seed: 0 }),
      record: record && decode(record),
      frameSize: size && [Number(size.data[0]), Number(size.data[1])],
      motion: motion && toFigures(motion.shape[0]!, motion.data as ArrayLike<number>),
    };
  } catch (error) {
    throw new Error(`${file}: its record cannot be read (${(error as Error).message}); make the features again`);
  }
}

/**
 * At most so many of the videos seen: of a file of ours, which has them in drawn order, the first; of features from elsewhere, which
 * may be sorted, those that the seed draws.
 */
export function takeVideos(seen: Seen, most: number, seed: number): Seen {
  const { features, tally, motion } = seen;
  const count = countVideos(seen);
  if (count <= most) return seen;
  const isInDrawnOrder = tally.start !== undefined;
  const rows = isInDrawnOrder ? Array.from({ length: most }, (_, i) => i) : drawRows(count, most, [seed, 0]);
  return {
    ...seen,
    features: pickRows(features, rows),
    motion: motion && rows.map((row) => motion[row]!),
    tally: {
      ...tally,
      measured: most,
      notDrawn: tally.notDrawn + count - most,
      seed: isInDrawnOrder ? tally.seed : seed,
    },
  };
}

const toFigures = (count: number, values: ArrayLike<number>): TemporalFigures[] =>
  Array.from({ length: count }, (_, i) => {
    const figures = TEMPORAL_FIGURES.map((name, k) => [name, Number(values[i * TEMPORAL_FIGURES.length + k])]);
    return Object.fromEntries(figures) as TemporalFigures;
  });
