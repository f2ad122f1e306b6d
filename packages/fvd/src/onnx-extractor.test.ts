import { readFileSync } from 'node:fs';
import { expectClose } from '@eflow/testing';
import { describe, expect, it } from 'vitest';
import { extractFeatures } from './extractor.ts';
import { createOnnxExtractor } from './onnx-extractor.ts';

/** The model of reference/onnx_fixture.py: mean colours times [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 4]]. */
const model = readFileSync(new URL('../fixtures/means.onnx', import.meta.url));
const options = {
  name: 'means.onnx',
  model,
  layout: 'BFCHW',
  resize: { rule: 'bilinear', height: 6, width: 8, crop: 'none' },
  mean: [0, 0.5, 0],
  std: [1, 0.5, 2],
} as const;

describe('createOnnxExtractor', () => {
  it('runs a model on clips as it was trained to see them', async () => {
    const extractor = await createOnnxExtractor(options);
    expect(extractor).toMatchObject({ name: 'means.onnx', feature: 'pooled', numFeatures: 4, channels: 3 });
    const clip = (r: number, g: number, b: number) =>
      Array.from({ length: 2 * 3 * 4 * 3 }, (_, i) => [r, g, b][i % 3]!);
    const pixels = Uint8Array.from([...clip(255, 255, 0), ...clip(0, 0, 255)]);
    const { features } = await extractFeatures(extractor, [{ pixels, shape: [2, 2, 3, 4, 3] }]);
    // (1, 1, 0) and (0, -1, 0.5), after mean and std.
    expectClose(features, [1, 1, 0, 3, 0, -1, 0.5, 0], { atol: 1e-5 });
    const tokens = await createOnnxExtractor({ ...options, output: 'tokens' });
    expectClose((await extractFeatures(tokens, [{ pixels, shape: [2, 2, 3, 4, 3] }])).features, features, {
      atol: 1e-5,
    });
  });

  it('says what is wrong with a model', async () => {
    await expect(createOnnxExtractor({ ...options, output: 'logits' })).rejects.toThrow(
      "no output 'logits'; it has pooled, tokens, shapeless",
    );
    await expect(createOnnxExtractor({ ...options, output: 'shapeless' })).rejects.toThrow(
      /output 'shapeless' of .* is \[4\]; expected float32 \[1, D\]/,
    );
    await expect(createOnnxExtractor({ ...options, model: new Uint8Array(9) })).rejects.toThrow(
      'cannot be read as an ONNX model',
    );
  });
});
