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
    async extract({ data, shape }) {
      const input = tf.tidy(() => tf.sub(tf.div(tf.tensor(data, [...shape], 'float32'), 127.5), 1));
      const output = run(params, input);
      try {
        return (await output.features.data()) as Float32Array;
      } finally {
        tf.dispose([input, { ...output }]);
      }
    },
  };
}
