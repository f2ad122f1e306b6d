import { uploadClips } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type DigitsClassifierParams, digitsClassifier } from './digits-classifier.ts';
import type { Extractor } from './extractor.ts';

/** The moving-digits classifier on grey clips. The parameters stay the caller's, and are needed as long as it is used. */
export function createDigitsExtractor(
  params: DigitsClassifierParams,
  weightsSha256: string,
  run: typeof digitsClassifier = digitsClassifier,
): Extractor {
  return {
    name: 'moving-digits classifier',
    weightsSha256,
    feature: 'features',
    numFeatures: params.head.weight.shape[0],
    minFrames: 1,
    channels: 1,
    async extract(clips) {
      const input = uploadClips(clips);
      const output = run(params, input);
      try {
        const [features, logits, frameLogits] = await Promise.all(
          [output.features, output.logits, output.frameLogits].map((x) => x.data<'float32'>()),
        );
        return { features: features!, logits: logits!, frameLogits: frameLogits! };
      } finally {
        tf.dispose([input, { ...output }]);
      }
    },
  };
}
