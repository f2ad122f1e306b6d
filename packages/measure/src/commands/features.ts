import { writeSeen } from '../feature-cache.ts';
import { countVideos } from '../look.ts';
import { openSource } from '../sources.ts';
import { formatRejections, formatTally } from '../tally.ts';
import { extractorSpec, type LookFlags, openExtractor, sourceSpec } from './flags.ts';
import { lookAloud } from './look-aloud.ts';
import { checkSource, checkWritable, isNpz } from './paths.ts';

/** Writes the features of videos into a file, for `compare`. */
export async function features(path: string, out: string, asked: LookFlags): Promise<void> {
  checkSource(path);
  if (isNpz(path)) throw new Error(`${path} holds features already; give videos`);
  if (!isNpz(out)) throw new Error(`${out}: give features a name that ends with .npz, by which they are read`);
  const spec = sourceSpec(asked, [path]);
  const flags = { ...asked, frames: spec.numFrames };
  extractorSpec(flags);
  checkWritable(out);
  const source = await openSource(path, spec);
  const seen = await lookAloud('videos', source, await openExtractor(flags), flags.batch);
  for (const line of formatRejections('videos', seen.tally)) console.error(line);
  await writeSeen(out, seen);
  console.log(formatTally('videos', seen.tally));
  console.log(`${out}: features [${countVideos(seen)}, ${seen.features.numFeatures}]`);
}
