import { createProgress } from '@eflow/cli';
import type { Extractor } from '@eflow/fvd';
import { look, type Seen } from '../look.ts';
import type { ClipSource } from '../sources.ts';
import { formatRejections, formatTally } from '../tally.ts';

/** `look` with a progress bar; if it fails, what became of the videos is told as well. */
export async function lookAloud(
  what: string,
  source: ClipSource,
  extractor: Extractor,
  batchSize: number,
): Promise<Seen> {
  const total = source.expected();
  const progress = createProgress(total, 'videos', { stays: true });
  // Videos that turn out to be of no use are done with, too.
  const onProgress = (clips: number) => progress.update(clips + total - source.expected(), what);
  try {
    return await look(extractor, source, { batchSize, onProgress }).finally(() => progress.end());
  } catch (error) {
    const tally = source.tally();
    for (const line of [...formatRejections(what, tally), formatTally(what, tally)]) console.error(line);
    throw error;
  }
}
