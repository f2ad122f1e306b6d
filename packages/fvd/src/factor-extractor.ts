import { uploadClips } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Extractor } from './extractor.ts';
import { type FactorClassifierParams, factorClassifier } from './factor-classifier.ts';

/** A classifier of factors on RGB clips. The parameters stay the caller's, and are needed as long as it is used. */
export function createFactorExtractor(
  name: string,
  params: FactorClassifierParams,
  weightsSha256: string,
  run: typeof factorClassifier = factorClassifier,
): Extractor {
  return {
    name,
    weightsSha256,
    feature: 'features',
    numFeatures: params.stages.at(-1)!.bias.shape[0],
    minFrames: 1,
    channels: 3,
    async extract(clips) {
      const input = uploadClips(clips);
      const output = run(params, input);
      const chosen = tf.tidy(() =>
        Object.entries(output.logits).map(([factor, logits]) => [factor, tf.argMax(logits, -1)] as const),
      );
      try {
        const values: Record<string, Int32Array> = {};
        for (const [factor, indices] of chosen) values[factor] = await indices.data<'int32'>();
        return { features: await output.features.data<'float32'>(), values };
      } finally {
        tf.dispose([input, output.features, output.logits, chosen.map(([, indices]) => indices)]);
      }
    },
  };
}
