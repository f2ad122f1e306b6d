import { assertShape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { countTokens, tokenGrid, type VideoDiTConfig } from './config.ts';

/**
 * Clips [B, F, H, W, C] -> tokens [B, L, pF pH pW C] in (t, h, w) order, owned by the caller. Throws if the clip is not
 * of the configured size.
 */
export function patchify(config: VideoDiTConfig, clips: tf.Tensor): tf.Tensor {
  const { numFrames, height, width, channels, patchSize } = config;
  const { B } = assertShape('patchify', 'clips', clips, ['B', numFrames, height, width, channels]);
  const [f, h, w] = tokenGrid(config);
  const [pF, pH, pW] = patchSize;
  return tf.tidy(() => {
    // tfjs stops at rank 6: batch and frame patches share an axis, and so do patch columns and channels.
    const split = tf.reshape(clips, [B * f, pF, h, pH, w, pW * channels]);
    return tf.reshape(tf.transpose(split, [0, 2, 4, 1, 3, 5]), [B, f * h * w, pF * pH * pW * channels]);
  });
}

/** The inverse of `patchify`: tokens [B, L, pF pH pW C] -> clips [B, F, H, W, C], owned by the caller. */
export function unpatchify(config: VideoDiTConfig, tokens: tf.Tensor): tf.Tensor {
  const { numFrames, height, width, channels, patchSize } = config;
  const [pF, pH, pW] = patchSize;
  const { B } = assertShape('unpatchify', 'tokens', tokens, ['B', countTokens(config), pF * pH * pW * channels]);
  const [f, h, w] = tokenGrid(config);
  return tf.tidy(() => {
    const split = tf.reshape(tokens, [B * f, h, w, pF, pH, pW * channels]);
    return tf.reshape(tf.transpose(split, [0, 3, 1, 4, 2, 5]), [B, numFrames, height, width, channels]);
  });
}
