import { datasetKind } from '@eflow/data';
import type { RunConfig } from './config.ts';
import { type Asked, cycleLabels } from './sample-clips.ts';

/** The golden ratio's part after the point: multiples of it lie evenly in [0, 1), however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** What `count` clips of a run are asked for: its classes in turn, or plain captions of combinations that lie evenly among all. */
export function askEvenly({ data, text }: RunConfig, count: number): Asked & { labels: number[] } {
  const kind = datasetKind(data);
  if (!text) return { labels: cycleLabels(count, kind.describe(data).numClasses) };
  const { numCombinations, say } = kind.captions!(data);
  const labels = Array.from({ length: count }, (_, i) => Math.floor(((i * GOLDEN) % 1) * numCombinations));
  return { labels, captions: labels.map((label) => say(label)) };
}
