import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readNpz, writeNpz } from '@eflow/checkpoint';
import { findVideos } from '@eflow/data';
import { type Extractor, recordExtractor, TEMPORAL_FIGURES, type TemporalFigures } from '@eflow/fvd';
import type { ClipSpec } from './clip-source.ts';
import type { FeatureRecord, Seen } from './measure.ts';

/**
 * What an extractor saw of a source, from the cache, or seen now and kept there. Its name is a hash of all that it depends on: the
 * files with their sizes and times, the clips' spec, the extractor with its weights and how it resizes.
 */
export async function throughCache(
  folder: string,
  { path, spec, extractor }: { path: string; spec: ClipSpec; extractor: Extractor },
  look: () => Promise<Seen>,
): Promise<Seen> {
  const key = JSON.stringify([await listFiles(path), spec, recordExtractor(extractor)]);
  const file = join(folder, `${createHash('sha256').update(key).digest('hex')}.npz`);
  if (existsSync(file)) return readSeen(file);
  const seen = await look();
  mkdirSync(folder, { recursive: true });
  await writeSeen(file, seen);
  return seen;
}

/** Of prepared videos their index, which has hashes; of files their names, sizes and times. */
async function listFiles(path: string): Promise<unknown> {
  const index = join(path, 'index.json');
  if (existsSync(index)) return readFileSync(index, 'utf8');
  const { root, entries } = await findVideos({ path });
  return entries.map((entry) => {
    const file = join(root, entry.path);
    if (!existsSync(file)) return entry;
    const { size, mtimeMs } = statSync(file);
    return [entry, size, mtimeMs];
  });
}

/**
 * Writes what was seen, for `readSeen`. The record of what the features are of is JSON, one code of it in UTF-8 after the other: in Python
 * `bytes(x["record"].astype("uint8"))`.
 */
export const writeSeen = (file: string, { features: { features, numFeatures }, motion, record }: Seen): Promise<void> =>
  writeNpz(file, {
    features: { shape: [features.length / numFeatures, numFeatures], data: features },
    ...(motion && {
      motion: {
        shape: [motion.length, TEMPORAL_FIGURES.length],
        data: Float64Array.from(motion.flatMap((figures) => TEMPORAL_FIGURES.map((name) => figures[name]))),
      },
    }),
    ...(record && { record: encode(record) }),
  });

function encode(record: FeatureRecord) {
  const data = Float32Array.from(new TextEncoder().encode(JSON.stringify(record)));
  return { shape: [data.length], data };
}

/** What `eflow-fvd features` or the cache wrote. Throws, naming the file, if it holds no features. */
export async function readSeen(file: string): Promise<Seen> {
  const arrays = await readNpz(file);
  const { shape, data } = arrays.get('features') ?? {};
  if (shape?.length !== 2 || !(data instanceof Float32Array || data instanceof Float64Array)) {
    throw new Error(`${file}: expected an array 'features' of floats, [videos, features]`);
  }
  const features = { features: data, numFeatures: shape[1]! };
  const codes = arrays.get('record');
  const said = codes && { record: JSON.parse(new TextDecoder().decode(Uint8Array.from(codes.data as Float32Array))) };
  const motion = arrays.get('motion');
  if (!motion) return { features, ...said };
  const rows = Array.from({ length: motion.shape[0]! }, (_, i) =>
    Object.fromEntries(TEMPORAL_FIGURES.map((name, k) => [name, Number(motion.data[i * TEMPORAL_FIGURES.length + k])])),
  );
  return { features, ...said, motion: rows as unknown as TemporalFigures[] };
}
