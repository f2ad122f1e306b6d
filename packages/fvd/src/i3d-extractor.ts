import * as tf from '@tensorflow/tfjs-core';
import type { Extractor } from './extractor.ts';
import { I3D_MIN_FRAMES, type I3DOutput, type I3DParams, i3d } from './i3d.ts';
import { I3D_NAME, type ResizeSpec } from './protocol.ts';
import { resizeClips } from './resize.ts';

export interface I3DExtractorOptions {
  /** Stay the caller's, and are needed as long as the extractor is used. */
  params: I3DParams;
  /** SHA-256 of the file that they came from. */
  weightsSha256: string;
  resize: ResizeSpec;
  /** 'logits' is what FVD is of; a distance of the pooled ones is another number. */
  feature: keyof I3DOutput;
  /** `i3d`, or what `compile` of @eflow/engine made of it. */
  run?: typeof i3d;
}

/** I3D on RGB clips. */
export function createI3DExtractor({
  params,
  weightsSha256,
  resize,
  feature,
  run = i3d,
}: I3DExtractorOptions): Extractor {
  return {
    name: I3D_NAME,
    weightsSha256,
    feature,
    numFeatures: { logits: 400, pooled: 1024 }[feature],
    resize,
    minFrames: I3D_MIN_FRAMES,
    channels: 3,
    async extract({ pixels, shape }) {
      const input = tf.tidy(() => fitFrames(tf.tensor(pixels, [...shape], 'float32') as tf.Tensor5D, resize));
      const output = run(params, input);
      try {
        return { features: await output[feature].data<'float32'>() };
      } finally {
        tf.dispose([input, { ...output }]);
      }
    },
  };
}

/** Frames in [0, 255] -> of the size, in [-1, 1]; [B, F, H, W, C], owned by the caller. */
export function fitFrames(clips: tf.Tensor5D, { rule, height, width, crop }: ResizeSpec): tf.Tensor5D {
  const [, , H, W] = clips.shape;
  const [coveringH, coveringW] = crop === 'none' ? [height, width] : coveringSize(H, W, height, width);
  return tf.tidy(() => {
    const covering = resizeClips(clips, coveringH, coveringW, rule);
    const [top, left] = [Math.floor((coveringH - height) / 2), Math.floor((coveringW - width) / 2)];
    const frames = tf.slice(covering, [0, 0, top, left, 0], [-1, -1, height, width, -1]);
    return tf.sub<tf.Tensor5D>(tf.div(frames, 127.5), 1);
  });
}

/** The smallest size of the frames' shape that covers what is wanted, fractions rounded up. */
const coveringSize = (H: number, W: number, height: number, width: number): [number, number] =>
  height * W >= width * H ? [height, Math.ceil((W * height) / H)] : [Math.ceil((H * width) / W), width];
