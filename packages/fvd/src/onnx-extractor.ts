import * as tf from '@tensorflow/tfjs-core';
import type { Extractor } from './extractor.ts';
import { fitFrames } from './i3d-extractor.ts';
import { meanOver } from './mean-over.ts';
import type { ResizeSpec } from './protocol.ts';
import { sha256Of } from './sha256.ts';

export interface OnnxExtractorOptions {
  /** What it is called in protocols, such as its file. */
  name: string;
  /** An .onnx file's bytes. They are run as they are: models are programs, so take those that you trust. */
  model: Uint8Array;
  /**
   * Axes of its input: `BCFHW` and `BFCHW` see clips (VideoMAE takes the latter), `BCHW` frame by frame (CLIP, DINO), whose
   * features are then their mean over a clip.
   */
  layout: 'BCFHW' | 'BFCHW' | 'BCHW';
  resize: ResizeSpec;
  /** Per-channel mean and standard deviation of its training data, of pixels in [0, 1]: x becomes (x - mean) / std. */
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
  /** Name of the output that is taken; the first unless given. [B, D], or [B, T, D], of which the mean over T is taken. */
  output?: string;
  /** Frames that it needs; 1 unless given. */
  minFrames?: number;
}

/** What is needed of the optional package onnxruntime-node. */
interface Runtime {
  InferenceSession: {
    create(
      model: Uint8Array,
    ): Promise<{ inputNames: readonly string[]; outputNames: readonly string[]; run(feeds: object): Promise<Outputs> }>;
  };
  Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => unknown;
}
type Outputs = Record<string, { data: unknown; dims: readonly number[] } | undefined>;

/**
 * A model of the user's own on RGB clips, by the optional package onnxruntime-node. Its distances bear its name, and are never
 * FVD. Throws, with the way to install it, without the package; if the model cannot be read; and if its output is of no
 * use, naming its shape.
 */
export async function createOnnxExtractor(options: OnnxExtractorOptions): Promise<Extractor> {
  const { name, model, layout, resize, mean, std, minFrames = 1 } = options;
  const { InferenceSession, Tensor } = await loadRuntime();
  const session = await InferenceSession.create(model).catch((error: Error) => {
    throw new Error(`createOnnxExtractor: ${name} cannot be read as an ONNX model: ${error.message}`);
  });
  const output = options.output ?? session.outputNames[0]!;
  if (!session.outputNames.includes(output)) {
    throw new Error(`createOnnxExtractor: ${name} has no output '${output}'; it has ${session.outputNames.join(', ')}`);
  }

  async function run(clips: Parameters<Extractor['extract']>[0]): Promise<{ features: Float32Array; size: number }> {
    const [B, F] = clips.shape;
    const input = tf.tidy(() => {
      const frames = fitFrames(tf.tensor(clips.pixels, [...clips.shape], 'float32') as tf.Tensor5D, resize);
      const shares = tf.div(tf.add(frames, 1), 2);
      const x = tf.div(tf.sub(shares, tf.tensor1d([...mean])), tf.tensor1d([...std])); // [B, F, H, W, C]
      if (layout === 'BCFHW') return tf.transpose(x, [0, 4, 1, 2, 3]);
      const framesFirst = tf.transpose(x, [0, 1, 4, 2, 3]);
      return layout === 'BFCHW' ? framesFirst : tf.reshape(framesFirst, [B * F, ...framesFirst.shape.slice(2)]);
    });
    const feeds = { [session.inputNames[0]!]: new Tensor('float32', input.dataSync<'float32'>(), input.shape) };
    input.dispose();
    const { data, dims } = (await session.run(feeds))[output]!;
    const rows = layout === 'BCHW' ? B * F : B;
    if (!(data instanceof Float32Array) || dims.length < 2 || dims.length > 3 || dims[0] !== rows) {
      throw new Error(
        `createOnnxExtractor: output '${output}' of ${name} is [${dims.join(', ')}]; expected float32 [${rows}, D] or [${rows}, T, D]: name another with output`,
      );
    }
    const size = dims.at(-1)!;
    return { features: meanOver(data, B, size), size };
  }

  const side = { shape: [1, Math.max(minFrames, 1), resize.height, resize.width, 3] as const };
  const { size: numFeatures } = await run({ pixels: new Uint8Array(side.shape.reduce((a, b) => a * b, 1)), ...side });
  return {
    name,
    weightsSha256: await sha256Of(model),
    feature: output,
    numFeatures,
    resize,
    preprocessing: `${layout}, mean ${mean.join(',')}, std ${std.join(',')}`,
    minFrames,
    channels: 3,
    extract: async (clips) => ({ features: (await run(clips)).features }),
  };
}

async function loadRuntime(): Promise<Runtime> {
  try {
    return (await import('onnxruntime-node')) as unknown as Runtime;
  } catch (cause) {
    throw new Error('ONNX models need an optional package: npm install onnxruntime-node', { cause });
  }
}
