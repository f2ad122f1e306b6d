import { type Network, sampleFewStep } from '@eflow/flow';
import {
  createStream,
  disposeTree,
  mapTree,
  randomNormal,
  randomUniform,
  splitStream,
  treeLeaves,
  valueAndGrad,
} from '@eflow/tensor';
import {
  drawKeptTokens,
  initVideoDiT,
  tokenGrid,
  type VideoDiTCondition,
  type VideoDiTConfig,
  type VideoDiTInput,
  type VideoDiTParams,
  validateConfig,
  videoDiT,
} from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { cases, draw } from './cases.ts';
import { read, relativeError } from './errors.ts';

/** A whole network that has to give the same numbers wherever tfjs runs. */
export interface NetworkCase {
  name: string;
  /** Where its parameters are. */
  file: string;
  config: VideoDiTConfig;
}

const BATCH_SIZE = 2;
const NUM_STEPS = 4;
const CONTEXT = { length: 5, size: 7 };

/** Every attention; GELU and SwiGLU; classes, a context, and both. */
export const networks: NetworkCase[] = cases
  .filter(({ kernel }) => !kernel)
  .map(({ name, spec }, i) => {
    const mlp = i % 2 === 0 ? 'gelu' : 'swiglu';
    const condition = (['classes', 'context', 'both'] as const)[i % 3]!;
    return {
      name: `${name}; ${mlp}, ${condition}`,
      file: `network-${i}.safetensors`,
      config: {
        channels: 3,
        patchSize: [1, 2, 2],
        hiddenSize: 20,
        depth: [1, 1, 1],
        numHeads: 2,
        mlpRatio: 2,
        mlp,
        attention: spec,
        numClasses: condition === 'context' ? 0 : 5,
        contextSize: condition === 'classes' ? undefined : CONTEXT.size,
      },
    };
  });

/** The clips that every network makes: one network, any size. */
export const clips = [
  { numFrames: 2, height: 6, width: 10 },
  { numFrames: 3, height: 6, width: 14 },
] as const;
export type Clip = (typeof clips)[number];

/** Parameters with every leaf moved off its start: a new network predicts 0. The caller owns them. */
export function drawParams(config: VideoDiTConfig): VideoDiTParams {
  const stream = createStream(1);
  const initial = initVideoDiT(stream, config);
  const params = mapTree(initial, (leaf, name) =>
    tf.tidy(() => tf.add(leaf, tf.mul(randomNormal(splitStream(stream, name), leaf.shape), 0.1))),
  );
  disposeTree(initial);
  return params;
}

/** What is compared; each makes tensors, owned by the caller, on the backend that is set. */
export const measures = {
  /** Clips [B, F, H, W, C] in four jumps from noise. */
  sample: (params: VideoDiTParams, config: VideoDiTConfig, clip: Clip): tf.Tensor[] => {
    const noise = drawClip(config, clip, 'noise');
    const network: Network = (input) => videoDiT(params, config, input as VideoDiTInput);
    return [sampleFewStep(network, { noise, condition: drawCondition(config), steps: NUM_STEPS }).data];
  },

  /** One pass whose middle sees half of the first clip's tokens and nothing of the second. */
  dropped: (params: VideoDiTParams, config: VideoDiTConfig, clip: Clip): tf.Tensor[] => [
    videoDiT(params, config, drawDropped(config, clip)),
  ],

  /** The gradient of every parameter in that pass. */
  gradients: (params: VideoDiTParams, config: VideoDiTConfig, clip: Clip): tf.Tensor[] => {
    const input = drawDropped(config, clip);
    const weights = drawClip(config, clip, 'weights');
    const loss = () => ({ loss: tf.sum(tf.mul(weights, videoDiT(params, config, input))) as tf.Scalar });
    const { values, grads } = valueAndGrad(loss, params);
    values.loss.dispose();
    return treeLeaves(grads);
  },
};
export type Measure = keyof typeof measures;
export const MEASURES = Object.keys(measures) as Measure[];

const drawClip = ({ channels }: VideoDiTConfig, { numFrames, height, width }: Clip, name: string) =>
  draw(name, [BATCH_SIZE, numFrames, height, width, channels]);

/** Labels, one of them "no class"; a context of which the first clip has three vectors and the other none. */
function drawCondition({ contextSize }: VideoDiTConfig): VideoDiTCondition {
  const labels = tf.tensor1d([3, 5], 'int32');
  if (!contextSize) return { labels };
  const context = draw('context', [BATCH_SIZE, CONTEXT.length, contextSize]);
  const contextMask = tf.tensor2d([1, 0, 1, 1, 0, 0, 0, 0, 0, 0], [BATCH_SIZE, CONTEXT.length], 'bool');
  return { labels, context, contextMask };
}

/** One call of the network, whose tokens are dropped in the one pattern or the other, if the attention needs no grid. */
function drawDropped(config: VideoDiTConfig, clip: Clip): VideoDiTInput {
  const { attention } = validateConfig(config);
  const timestep = randomUniform(splitStream(createStream(1), 'timestep'), [BATCH_SIZE]);
  const needsGrid = attention.kind === 'local' && typeof attention.windowSize !== 'number';
  const pattern = clip === clips[0] ? 'uniform' : 'structured';
  const options = { batchSize: BATCH_SIZE, grid: tokenGrid(config, clip), keepRatio: 0.5, pattern } as const;
  return {
    noisy: drawClip(config, clip, 'noisy'),
    timestep,
    targetTimestep: tf.mul(timestep, 0.4),
    condition: drawCondition(config),
    pathDropped: tf.tensor1d([false, true], 'bool'),
    keptTokens: needsGrid ? undefined : drawKeptTokens(createStream(2), options),
  };
}

/** What each measure gives of each clip: the values of its tensors. */
export type Outputs = Record<Measure, number[][][]>;

/** What a measure gives of each clip on the backend that is set. Throws what the backend throws. */
export async function runNetwork(
  measure: Measure,
  { config }: NetworkCase,
  params: VideoDiTParams,
): Promise<number[][][]> {
  const outputs: number[][][] = [];
  for (const clip of clips) outputs.push(await read(() => measures[measure](params, config, clip)));
  return outputs;
}

/** How far a measure is from what is expected of it, the worst of all clips and tensors. Throws what the backend throws. */
export async function networkError(
  measure: Measure,
  network: NetworkCase,
  params: VideoDiTParams,
  expected: Outputs,
): Promise<number> {
  const actual = await runNetwork(measure, network, params);
  const errors = expected[measure].flatMap((tensors, clip) =>
    tensors.map((values, i) => relativeError(actual[clip]![i]!, values)),
  );
  return Math.max(...errors);
}
