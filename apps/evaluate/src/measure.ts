import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@eflow/checkpoint';
import type { Split } from '@eflow/data';
import { digitsClassifierWeights, type Extractor } from '@eflow/fvd';
import { clipsSource, DIGITS_COVARIANCE_RULE, look, measure, type Seen } from '@eflow/measure';
import type { Clips } from '@eflow/tensor';
import type { Judged } from './evaluation.ts';

const BATCH_SIZE = 100;

/** What the classifier sees in clips, and whether it takes them for the classes of their labels. */
export const lookAt = (extractor: Extractor, clips: Clips): Promise<Seen> =>
  look(extractor, clipsSource(clips), { batchSize: BATCH_SIZE, judge: true });

/** The figures of clips that were looked at, against real ones of a split. */
export const compare = (seen: Seen, real: Seen, split: Split): Judged => ({
  ...measure(real, seen, { covarianceRule: DIGITS_COVARIANCE_RULE, split }, { brief: true }),
  ...seen.judgement!, // `lookAt` judges
});

/** The share of held-out clips that the shipped classifier names right, as its file says. */
export async function readHeldOutAccuracy(): Promise<number> {
  const { metadata } = await readSafetensors(fileURLToPath(digitsClassifierWeights));
  return Number(metadata.heldOutAccuracy);
}
