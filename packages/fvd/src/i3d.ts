import { assertShape, type StateDict } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** A convolution with the batch norm behind it in its weights: [kF, kH, kW, in, out] and [out]. */
type Unit = { weight: tf.Tensor5D; bias: tf.Tensor1D };

/** The units by the names of their PyTorch code: `Conv3d_1a_7x7`, `Mixed_3b.b1b`, `logits`. */
export type I3DParams = { [unit: string]: Unit };

export type I3DOutput = {
  /** [B, 400]: before the softmax, and over what times there are the mean. What FVD is of. */
  logits: tf.Tensor2D;
  /** [B, 1024]: what the logits are linear in. Other papers' features; their distances are other numbers. */
  pooled: tf.Tensor2D;
};

/** Frames below which the last pooling, over two, has nothing to pool; and the side of its window of 7 x 7. */
export const I3D_MIN_FRAMES = 9;
const I3D_SIDE = 224;

const EPS = 1e-3;
/** Scale, shift, mean and variance. */
const BATCH_NORM = ['weight', 'bias', 'running_mean', 'running_var'] as const;

type Numbers = ArrayLike<number>;

type Triple = [frames: number, height: number, width: number];
/** A convolution, with a window of side x side x side. */
type Convolution = { name: string; side: number; channels: [input: number, output: number] };
type Layer =
  | ({ kind: 'unit'; stride: number } & Convolution)
  | { kind: 'pool'; window: Triple; stride: Triple }
  | { kind: 'mixed'; name: string; channels: [input: number, ...branches: Branches] };
/** Output channels of a block's convolutions: 1x1x1; 1x1x1, 3x3x3; 1x1x1, 3x3x3; pooled, 1x1x1. */
type Branches = [b0: number, b1a: number, b1b: number, b2a: number, b2b: number, b3b: number];

const unit = (name: string, side: number, stride: number, channels: [number, number]): Layer => {
  return { kind: 'unit', name, side, stride, channels };
};
const pool = (window: Triple, stride: Triple): Layer => ({ kind: 'pool', window, stride });
const mixed = (name: string, input: number, branches: Branches): Layer => {
  return { kind: 'mixed', name: `Mixed_${name}`, channels: [input, ...branches] };
};

/** Inception-v1 (arXiv 1409.4842) with another axis: I3D (Carreira and Zisserman, arXiv 1705.07750, fig. 3). */
const LAYERS: readonly Layer[] = [
  unit('Conv3d_1a_7x7', 7, 2, [3, 64]),
  pool([1, 3, 3], [1, 2, 2]),
  unit('Conv3d_2b_1x1', 1, 1, [64, 64]),
  unit('Conv3d_2c_3x3', 3, 1, [64, 192]),
  pool([1, 3, 3], [1, 2, 2]),
  mixed('3b', 192, [64, 96, 128, 16, 32, 32]),
  mixed('3c', 256, [128, 128, 192, 32, 96, 64]),
  pool([3, 3, 3], [2, 2, 2]),
  mixed('4b', 480, [192, 96, 208, 16, 48, 64]),
  mixed('4c', 512, [160, 112, 224, 24, 64, 64]),
  mixed('4d', 512, [128, 128, 256, 24, 64, 64]),
  mixed('4e', 512, [112, 144, 288, 32, 64, 64]),
  mixed('4f', 528, [256, 160, 320, 32, 128, 128]),
  pool([2, 2, 2], [2, 2, 2]),
  mixed('5b', 832, [256, 160, 320, 32, 128, 128]),
  mixed('5c', 832, [384, 192, 384, 48, 128, 128]),
];
const POOLED = 1024;
const NUM_CLASSES = 400;

/** The convolutions of the network. */
export function listUnits(): Convolution[] {
  const units = LAYERS.flatMap((layer) => {
    if (layer.kind === 'pool') return [];
    if (layer.kind === 'unit') return [layer];
    const [input, b0, b1a, b1b, b2a, b2b, b3b] = layer.channels;
    const branches: Convolution[] = [
      { name: 'b0', side: 1, channels: [input, b0] },
      { name: 'b1a', side: 1, channels: [input, b1a] },
      { name: 'b1b', side: 3, channels: [b1a, b1b] },
      { name: 'b2a', side: 1, channels: [input, b2a] },
      { name: 'b2b', side: 3, channels: [b2a, b2b] },
      { name: 'b3b', side: 1, channels: [input, b3b] },
    ];
    return branches.map((branch) => ({ ...branch, name: `${layer.name}.${branch.name}` }));
  });
  return [...units, { name: 'logits', side: 1, channels: [POOLED, NUM_CLASSES] }];
}

/** Names and shapes of the tensors that `i3dParams` takes. */
export const listI3DTensors = (): { name: string; shape: number[] }[] =>
  listUnits().flatMap(({ name, side, channels: [input, output] }) => [
    { name: `${name}.conv3d.weight`, shape: [output, input, side, side, side] },
    ...(name === 'logits' ? ['conv3d.bias'] : BATCH_NORM.map((part) => `bn.${part}`)).map((part) => ({
      name: `${name}.${part}`,
      shape: [output],
    })),
  ]);

/**
 * Parameters from a PyTorch state_dict by its published names (`Mixed_3b.b1a.conv3d.weight`, `.bn.running_mean` and so on, of
 * `i3d_pretrained_400` and `rgb_imagenet`), as `readSafetensors` of @eflow/checkpoint gives it: batch norm, which only scales and shifts
 * once trained, goes into the weights, in float64. The caller owns them. Throws, naming them, if tensors are missing, of another shape,
 * or not finite.
 */
export function i3dParams(state: StateDict): I3DParams {
  const read = (name: string, shape: number[]) => {
    const found = state.get(name);
    if (!found) {
      const some = [...state.keys()].slice(0, 3).join(', ');
      throw new Error(
        `i3dParams: there is no '${name}' among ${state.size} tensors (${some}, ...); expected the names of i3d_pretrained_400`,
      );
    }
    if (`${found.shape}` !== `${shape}`) {
      throw new Error(`i3dParams: '${name}' is [${found.shape.join(', ')}]; expected [${shape.join(', ')}]`);
    }
    const values = found.data as Numbers;
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i])) {
        throw new Error(`i3dParams: '${name}' holds ${values[i]} at element ${i}; copy the file again`);
      }
    }
    return values;
  };
  return tf.tidy(() =>
    Object.fromEntries(
      listUnits().map(({ name, side, channels: [input, output] }) => {
        const shape: [number, number, number, number, number] = [output, input, side, side, side];
        const kept = read(`${name}.conv3d.weight`, shape);
        const scale = new Float64Array(output).fill(1);
        let bias: Numbers;
        if (name === 'logits') {
          bias = read(`${name}.conv3d.bias`, [output]);
        } else {
          const [gamma, beta, mean, variance] = BATCH_NORM.map((part) => read(`${name}.bn.${part}`, [output]));
          for (let i = 0; i < output; i++) scale[i] = gamma![i]! / Math.sqrt(variance![i]! + EPS);
          bias = scale.map((factor, i) => beta![i]! - mean![i]! * factor);
        }
        const size = kept.length / output;
        const scaled = new Float32Array(kept.length);
        for (let i = 0; i < scaled.length; i++) scaled[i] = kept[i]! * scale[Math.floor(i / size)]!;
        const weight = tf.transpose(tf.tensor(scaled, shape), [2, 3, 4, 1, 0]) as tf.Tensor5D;
        return [name, { weight, bias: tf.tensor1d(Float32Array.from(bias)) }];
      }),
    ),
  );
}

/**
 * I3D of RGB clips, float32 [B, F, 224, 224, 3] in [-1, 1], of at least 9 frames; other sides from 193 on are taken, too. Padding
 * is TensorFlow's SAME. What is returned is the caller's. Throws on other shapes.
 */
export function i3d(params: I3DParams, clips: tf.Tensor): I3DOutput {
  const { F, H, W } = assertShape('i3d', 'clips', clips, ['B', 'F', 'H', 'W', 3]);
  if (F < I3D_MIN_FRAMES) throw new Error(`i3d: clips of ${F} frames; at least ${I3D_MIN_FRAMES} are needed`);
  const least = I3D_SIDE - 31;
  if (H < least || W < least) {
    throw new Error(`i3d: frames of ${H}x${W}; resize them to ${I3D_SIDE}x${I3D_SIDE} with resizeClips`);
  }
  return tf.tidy(() => {
    const x = LAYERS.reduce((h, layer) => apply(params, layer, h), clips as tf.Tensor5D);
    const averages = tf.avgPool3d(x, [2, 7, 7], 1, 'valid') as tf.Tensor5D;
    const pooled = tf.mean<tf.Tensor2D>(averages, [1, 2, 3]);
    // Linear, so that the mean may be taken before: as a product.
    const { weight, bias } = params.logits!;
    return { logits: tf.add<tf.Tensor2D>(tf.matMul(pooled, tf.reshape(weight, [POOLED, NUM_CLASSES])), bias), pooled };
  });
}

function apply(params: I3DParams, layer: Layer, x: tf.Tensor5D): tf.Tensor5D {
  const convolve = (name: string, input: tf.Tensor5D, stride = 1) => {
    const { weight, bias } = params[name]!;
    return tf.relu(tf.add<tf.Tensor5D>(tf.conv3d(input, weight, stride, 'same'), bias));
  };
  switch (layer.kind) {
    case 'unit':
      return convolve(layer.name, x, layer.stride);
    case 'pool':
      return tf.maxPool3d(x, layer.window, layer.stride, 'same');
    case 'mixed': {
      const branch = (name: string, input: tf.Tensor5D) => convolve(`${layer.name}.${name}`, input);
      return tf.concat<tf.Tensor5D>(
        [
          branch('b0', x),
          branch('b1b', branch('b1a', x)),
          branch('b2b', branch('b2a', x)),
          branch('b3b', tf.maxPool3d(x, [3, 3, 3], 1, 'same')),
        ],
        4,
      );
    }
  }
}
