import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type ClipSize, tokenGrid, type VideoDiTConfig } from './config.ts';

type Patches = Pick<VideoDiTConfig, 'channels' | 'patchSize'>;

/** The size of clips [B, F, H, W, C]. Throws unless they have five axes and so many channels. */
export function clipSize(where: string, { channels }: Patches, clips: tf.Tensor): ClipSize {
  const { F, H, W } = assertShape(where, 'clips', clips, ['B', 'F', 'H', 'W', channels]);
  return { numFrames: F, height: H, width: W };
}

/**
 * Clips [B, F, H, W, C] -> tokens [B, L, pF pH pW C] in (t, h, w) order, owned by the caller. Throws unless patches
 * divide the clip.
 */
export function patchify(config: Patches, clips: tf.Tensor): tf.Tensor {
  const [f, h, w] = tokenGrid(config, clipSize('patchify', config, clips));
  const [pF, pH, pW] = config.patchSize;
  const B = clips.shape[0]!;
  return tf.tidy(() => {
    // tfjs stops at rank 6: batch and frame patches share an axis, and so do patch columns and channels.
    const split = tf.reshape(clips, [B * f, pF, h, pH, w, pW * config.channels]);
    return tf.reshape(tf.transpose(split, [0, 2, 4, 1, 3, 5]), [B, f * h * w, pF * pH * pW * config.channels]);
  });
}

/** The inverse of `patchify`: tokens [B, L, pF pH pW C] of clips of that size -> [B, F, H, W, C], owned by the caller. */
export function unpatchify(config: Patches, tokens: tf.Tensor, clip: ClipSize): tf.Tensor {
  const { channels, patchSize } = config;
  const [pF, pH, pW] = patchSize;
  const [f, h, w] = tokenGrid(config, clip);
  const { B } = assertShape('unpatchify', 'tokens', tokens, ['B', f * h * w, pF * pH * pW * channels]);
  return tf.tidy(() => {
    const split = tf.reshape(tokens, [B * f, h, w, pF, pH, pW * channels]);
    return tf.reshape(tf.transpose(split, [0, 3, 1, 4, 2, 5]), [B, clip.numFrames, clip.height, clip.width, channels]);
  });
}
