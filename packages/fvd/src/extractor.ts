import { type Clips, clipBytes } from '@eflow/tensor';
import { toChannels } from './channels.ts';
import type { FeatureSet } from './feature-set.ts';
import type { ExtractorRecord, ResizeSpec } from './protocol.ts';

/** What makes features of videos; every one of them keeps to this contract. */
export interface Extractor {
  /** What it is, such as `I3D`. */
  name: string;
  /** SHA-256 of the file of its weights. */
  weightsSha256: string;
  /** Which of its outputs, such as `logits`. */
  feature: string;
  /** D */
  numFeatures: number;
  /** How it makes frames another size; absent: it takes them as they are. */
  resize?: ResizeSpec;
  /** What else it is told to do to frames, such as the mean and the deviation that it takes out; absent: nothing. */
  preprocessing?: string;
  /** Frames that a clip has at least, and channels of its frames. */
  minFrames: number;
  channels: 1 | 3;
  /** Looks at clips that fit, [B, F, H, W, C]. */
  extract(clips: Clips): Promise<Extracted>;
}

/** What an extractor sees in B clips, row-major. */
export interface Extracted {
  /** [B, D] */
  features: Float32Array;
  /** What tells K classes apart: [B, K], and [B, F, K] of every frame; absent where no classes are told. */
  logits?: Float32Array;
  frameLogits?: Float32Array;
  /** [B] for each factor that is told, such as the colour: the number of its value. */
  values?: Record<string, Int32Array>;
}

/** What a protocol says of an extractor. */
export const recordExtractor = ({
  name: extractor,
  weightsSha256,
  feature,
  resize,
  preprocessing,
}: Extractor): ExtractorRecord => ({ extractor, weightsSha256, feature, resize, preprocessing });

/** Raise it when the same clips and weights begin to give other features: those that were kept are then made again. */
export const FEATURES_VERSION = 2;

/**
 * The features of clips, a batch at a time. An extractor of one channel sees the brightness of RGB frames, one of three channels sees
 * grey frames repeated. Throws, before the first batch, on frames with alpha or too few frames; on clips of another size
 * or number of frames than the first; and if there are none. `onBatch` is told after each batch how many clips were looked at so far,
 * and what was seen in the batch.
 */
export async function extractFeatures(
  extractor: Extractor,
  batches: AsyncIterable<Clips> | Iterable<Clips>,
  onBatch: (count: number, clips: Clips, extracted: Extracted) => void = () => {},
): Promise<FeatureSet> {
  const parts: Float32Array[] = [];
  let [count, size] = [0, ''];
  for await (const clips of batches) {
    clipBytes('extractFeatures', clips);
    const [N, F, H, W] = clips.shape;
    const fitting = toChannels(clips, extractor.channels);
    if (F < extractor.minFrames) {
      throw new Error(
        `extractFeatures: clips of ${F} frames; ${extractor.name} needs at least ${extractor.minFrames}: take longer clips or a smaller stride`,
      );
    }
    size ||= `${F} frames of ${H}x${W}`;
    if (size !== `${F} frames of ${H}x${W}`) {
      throw new Error(
        `extractFeatures: clip ${count} has ${F} frames of ${H}x${W}, those before it ${size}; make all of one size`,
      );
    }
    const extracted = await extractor.extract(fitting);
    parts.push(extracted.features);
    count += N;
    onBatch(count, clips, extracted);
  }
  if (count === 0) throw new Error('extractFeatures: there are no clips');
  const features = new Float32Array(count * extractor.numFeatures);
  let next = 0;
  for (const part of parts) {
    features.set(part, next);
    next += part.length;
  }
  if (next !== features.length) {
    throw new Error(
      `extractFeatures: ${extractor.name} gave ${next} numbers for ${count} clips; expected ${extractor.numFeatures} for each`,
    );
  }
  return { features, numFeatures: extractor.numFeatures };
}
