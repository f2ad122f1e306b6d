import * as tf from '@tensorflow/tfjs-core';
import { type Clips, clipBytes, normalizePixels } from './clips.ts';
import { explain } from './explain.ts';

/** Clips on the device as a network takes them: float32 [N, F, H, W, C] in [-1, 1], owned by the caller. Throws as `clipBytes` does. */
export function uploadClips(clips: Clips): tf.Tensor5D {
  clipBytes('uploadClips', clips);
  return explain(() => tf.tensor(normalizePixels(clips.pixels), [...clips.shape]) as tf.Tensor5D);
}
