import { gatherRotary, type Rotary, rotaryTable } from '@eflow/attention';
import {
  initLabelEmbedder,
  initLinear,
  initScalarEmbedder,
  type LabelEmbedderParams,
  type LinearParams,
  labelEmbedder,
  layerNorm,
  linear,
  modulate,
  normal,
  type ScalarEmbedderParams,
  scalarEmbedder,
  silu,
  zeros,
} from '@eflow/nn';
import { assertShape, type RandomStream, rematerialise, splitStream, stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type BlockParams, block, initBlock } from './block.ts';
import { countTokens, tokenGrid, type VideoDiTConfig, validateConfig } from './config.ts';
import { patchify, unpatchify } from './patchify.ts';
import { gatherTokens, restoreTokens } from './token-drop.ts';

export type VideoDiTParams = {
  patchEmbed: LinearParams;
  /** From cos and sin of a token's rotation angles, [2 D, E]. */
  positionEmbed: LinearParams;
  timestepEmbedder: ScalarEmbedderParams;
  intervalEmbedder: ScalarEmbedderParams;
  labelEmbedder: LabelEmbedderParams;
  encoderBlocks: BlockParams[];
  middleBlocks: BlockParams[];
  decoderBlocks: BlockParams[];
  /** Long skips, one per decoder block that has an encoder block opposite: [2 E, E]. */
  skips: LinearParams[];
  /** Joins the encoder's output with the middle's: [2 E, E]. */
  fusion: LinearParams;
  /** Stands in the places of dropped tokens; never trained, as in SPRINT's code. */
  maskToken: tf.Tensor1D;
  final: { adaLN: LinearParams; linear: LinearParams };
};

/** One call on B clips: see `NetworkInput` of @eflow/flow, which this is made for. */
export interface VideoDiTInput {
  /** x_t, [B, F, H, W, C]. */
  noisy: tf.Tensor;
  /** t, [B] in [0, 1]. */
  timestep: tf.Tensor;
  /** s, [B] in [0, t]. */
  targetTimestep: tf.Tensor;
  /** Labels, [B] int32 in [0, numClasses]; numClasses stands for "no class". */
  condition: tf.Tensor;
  /** Tokens that the middle sees, [B, K] int32; absent: all. */
  keptTokens?: tf.Tensor;
  /** Clips whose middle is skipped, [B] bool; absent: none. */
  pathDropped?: tf.Tensor;
}

/** New parameters from a stream: Xavier-uniform, with zero output, so that a new network predicts 0. The caller owns them. */
export function initVideoDiT(stream: RandomStream, config: VideoDiTConfig): VideoDiTParams {
  validateConfig(config);
  const { hiddenSize: E, depth, channels, patchSize } = config;
  const patchLength = patchSize[0] * patchSize[1] * patchSize[2] * channels;
  const at = (label: string) => splitStream(stream, label);
  const blocks = (label: string, count: number) =>
    Array.from({ length: count }, (_, i) => initBlock(splitStream(at(label), i), config));
  return {
    patchEmbed: initLinear(at('patchEmbed'), patchLength, E),
    positionEmbed: initLinear(at('positionEmbed'), (2 * E) / config.numHeads, E),
    timestepEmbedder: initScalarEmbedder(at('timestepEmbedder'), E),
    intervalEmbedder: initScalarEmbedder(at('intervalEmbedder'), E),
    labelEmbedder: initLabelEmbedder(at('labelEmbedder'), config.numClasses, E),
    encoderBlocks: blocks('encoderBlocks', depth[0]),
    middleBlocks: blocks('middleBlocks', depth[1]),
    decoderBlocks: blocks('decoderBlocks', depth[2]),
    skips: Array.from({ length: Math.min(depth[0], depth[2]) }, (_, i) =>
      initLinear(splitStream(at('skips'), i), 2 * E, E),
    ),
    fusion: initLinear(at('fusion'), 2 * E, E),
    maskToken: tf.tidy(() => tf.reshape(normal(0.02)(at('maskToken'), [1, E]), [E])),
    final: {
      adaLN: initLinear(at('finalAdaLN'), E, 2 * E, zeros),
      linear: initLinear(at('finalLinear'), E, patchLength, zeros),
    },
  };
}

/**
 * N(x_t, t, s, c): the mean velocity from t to s, [B, F, H, W, C], owned by the caller. The encoder and the decoder see
 * all tokens, the middle blocks those in `keptTokens`. Throws if the inputs' shapes disagree with the config.
 */
export function videoDiT(params: VideoDiTParams, config: VideoDiTConfig, input: VideoDiTInput): tf.Tensor {
  return run(params, config, input, (encoded, condition, rotary) => {
    const { keptTokens, pathDropped } = input;
    const middle = (x: tf.Tensor, table: Rotary) =>
      params.middleBlocks.reduce((h, p) => applyBlock(config, { params: p, x: h, condition, rotary: table }), x);
    const mask = stopGradient(() => tf.clone(params.maskToken));
    const output = keptTokens
      ? restoreTokens(
          middle(gatherTokens(encoded, keptTokens), gatherRotary(rotary, keptTokens)),
          keptTokens,
          mask,
          encoded.shape[1]!,
        )
      : middle(encoded, rotary);
    if (!pathDropped) return output;
    return tf.where(tf.reshape(pathDropped, [-1, 1, 1]), tf.broadcastTo(mask, output.shape), output);
  });
}

/**
 * The weak path (SPRINT, arXiv 2510.21986): the same network with the middle skipped, mask tokens in its place. A
 * `VideoDiTInput` whose `pathDropped` is all true gives the same, at the price of the middle.
 */
export function weakVideoDiT(params: VideoDiTParams, config: VideoDiTConfig, input: VideoDiTInput): tf.Tensor {
  return run(params, config, input, (encoded) => stopGradient(() => tf.broadcastTo(params.maskToken, encoded.shape)));
}

function run(
  params: VideoDiTParams,
  config: VideoDiTConfig,
  input: VideoDiTInput,
  middle: (encoded: tf.Tensor, condition: tf.Tensor, rotary: Rotary) => tf.Tensor,
): tf.Tensor {
  const { numFrames, height, width, channels } = config;
  const { B } = assertShape('videoDiT', 'noisy', input.noisy, ['B', numFrames, height, width, channels]);
  assertShape('videoDiT', 'timestep', input.timestep, [B]);
  assertShape('videoDiT', 'targetTimestep', input.targetTimestep, [B]);
  assertShape('videoDiT', 'condition', input.condition, [B]);
  if (input.keptTokens) assertShape('videoDiT', 'keptTokens', input.keptTokens, [B, 'K']);
  if (input.pathDropped) assertShape('videoDiT', 'pathDropped', input.pathDropped, [B]);

  return tf.tidy(() => {
    const rotary = rotaryTable(tokenGrid(config), config.hiddenSize / config.numHeads);
    const condition = silu(
      tf.addN([
        scalarEmbedder(params.timestepEmbedder, input.timestep),
        scalarEmbedder(params.intervalEmbedder, tf.sub(input.timestep, input.targetTimestep)),
        labelEmbedder(params.labelEmbedder, input.condition),
      ]),
    );
    const apply = (p: BlockParams, x: tf.Tensor) => applyBlock(config, { params: p, x, condition, rotary });

    // Our choice: the rotary embedding tells distances alone. Where in the frame a token lies is told once, here, by a
    // function of the same angles, so that any grid of tokens still fits.
    const position = linear(params.positionEmbed, tf.concat([rotary.cos, rotary.sin], 1));
    let x = tf.add(linear(params.patchEmbed, patchify(config, input.noisy)), position);
    const encoderOutputs = params.encoderBlocks.map((p) => {
      x = apply(p, x);
      return x;
    });
    x = join(params.fusion, x, middle(x, condition, rotary));
    params.decoderBlocks.forEach((p, i) => {
      // Decoder block i is fed by the encoder block opposite, counted from the end.
      const opposite = encoderOutputs[params.decoderBlocks.length - 1 - i];
      const skip = params.skips[params.decoderBlocks.length - 1 - i];
      if (opposite && skip) x = join(skip, x, opposite);
      x = apply(p, x);
    });
    const [shift, scale] = tf.split(linear(params.final.adaLN, condition), 2, 1) as [tf.Tensor, tf.Tensor];
    return unpatchify(config, linear(params.final.linear, modulate(layerNorm(x), shift, scale)));
  });
}

/** All that a block reads, so that it can be run again. */
type BlockInputs = { params: BlockParams; x: tf.Tensor; condition: tf.Tensor; rotary: Rotary };

function applyBlock(config: VideoDiTConfig, inputs: BlockInputs): tf.Tensor {
  // Kept tokens are no grid.
  const grid = inputs.x.shape[1] === countTokens(config) ? tokenGrid(config) : undefined;
  const apply = ({ params, x, ...context }: BlockInputs) => block(params, config, x, { ...context, grid });
  return config.checkpoint === 'blocks' ? rematerialise(apply, inputs) : apply(inputs);
}

const join = (params: LinearParams, a: tf.Tensor, b: tf.Tensor) => linear(params, tf.concat([a, b], 2));

/** Checks labels before they reach the device. Throws, naming the first that is no integer in [0, numClasses]. */
export function assertLabels(labels: ArrayLike<number>, numClasses: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label > numClasses) {
      throw new Error(
        `assertLabels: label ${i} is ${label}; expected an integer from 0 to ${numClasses - 1}, or ${numClasses} for "no class"`,
      );
    }
  }
}
