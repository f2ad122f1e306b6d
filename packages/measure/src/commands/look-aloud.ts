import type { Extractor } from '@eflow/fvd';
import { look, type Seen } from '../look.ts';
import type { ClipSource } from '../sources.ts';
import { formatRejections, formatTally } from '../tally.ts';
import { showVideos } from './progress.ts';

/** `look` with a progress bar; if it fails, what became of the videos is told as well. */
export async function lookAloud(
  what: string,
  source: ClipSource,
  extractor: Extractor,
  batchSize: number,
): Promise<Seen> {
  const bar = showVideos(what, source.expected());
  try {
    const seen = await look(extractor, source, {
      batchSize,
      onProgress: (clips) => bar.update(clips, source.expected()),
    });
    bar.stop();
    return seen;
  } catch (error) {
    bar.stop();
    const tally = source.tally();
    for (const line of [...formatRejections(what, tally), formatTally(what, tally)]) console.error(line);
    throw error;
  }
}
