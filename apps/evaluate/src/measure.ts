import { fileURLToPath } from 'node:url';
import { readSafetensors } from '@eflow/checkpoint';
import type { CaptionTask, Split } from '@eflow/data';
import {
  captionedDigitsClassifierWeights,
  digitsClassifierWeights,
  type Extractor,
  movingEmojiClassifierWeights,
} from '@eflow/fvd';
import { clipsSource, DIGITS_COVARIANCE_RULE, look, type Measurement, measure, type Seen } from '@eflow/measure';
import type { Clips } from '@eflow/tensor';

const BATCH_SIZE = 100;

/** The classifiers that name what clips show, and the files of their weights. */
export const CLASSIFIERS = {
  digits: digitsClassifierWeights,
  captionedDigits: captionedDigitsClassifierWeights,
  movingEmoji: movingEmojiClassifierWeights,
};

/** What the classifier sees in clips, and whether it takes them for what their labels say: the factors of a task, or else classes. */
export const lookAt = (extractor: Extractor, clips: Clips, task?: CaptionTask): Promise<Seen> =>
  look(extractor, clipsSource(clips), { batchSize: BATCH_SIZE, judge: !task, task });

/** The figures of clips that were looked at, against real ones of a split. */
export const compare = (seen: Seen, real: Seen, split: Split): Measurement =>
  measure(real, seen, { covarianceRule: DIGITS_COVARIANCE_RULE, split }, { brief: true });

/** The share of held-out clips that a shipped classifier names right, as its file says. */
export async function readHeldOutAccuracy(classifier: keyof typeof CLASSIFIERS): Promise<number> {
  const { metadata } = await readSafetensors(fileURLToPath(CLASSIFIERS[classifier]));
  return Number(metadata.heldOutAccuracy);
}
