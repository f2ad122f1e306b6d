import { mapTree, type RandomStream, type StateDict } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { VideoDiTConfig } from './config.ts';
import { initVideoDiT, type VideoDiTParams } from './params.ts';

export interface FromDiT {
  /** The caller owns them. */
  params: VideoDiTParams;
  /** Parameters that the file does not have, or the labels of another set of classes. */
  fresh: string[];
  /** Tensors of the file that have no place here, such as DiT's table of positions. */
  unused: string[];
}

/** A DiT's names of what stands first in ours. What is not listed here or in `BLOCK_NAMES`, a DiT does not have. */
const NAMES: readonly (readonly [ours: string, theirs: string])[] = [
  ['patchEmbed.', 'x_embedder.proj.'],
  ['timestepEmbedder.fc1.', 't_embedder.mlp.0.'],
  ['timestepEmbedder.fc2.', 't_embedder.mlp.2.'],
  // SoFlow's (arXiv 2512.15657), of t - s as ours.
  ['intervalEmbedder.fc1.', 's_embedder.mlp.0.'],
  ['intervalEmbedder.fc2.', 's_embedder.mlp.2.'],
  ['labelEmbedder.table', 'y_embedder.embedding_table.weight'],
  ['final.adaLN.', 'final_layer.adaLN_modulation.1.'],
  ['final.linear.', 'final_layer.linear.'],
];
const BLOCK_NAMES: typeof NAMES = [
  ['adaLN.', 'adaLN_modulation.1.'],
  ['attn.qkv.', 'attn.qkv.'],
  ['attn.qNorm.', 'attn.q_norm.'],
  ['attn.kNorm.', 'attn.k_norm.'],
  ['attn.proj.', 'attn.proj.'],
  ['mlp.', 'mlp.'],
];
/** What not every DiT has. */
const OPTIONAL = ['s_embedder.', 'y_embedder.', '.q_norm.', '.k_norm.'];
const PATCHES = 'x_embedder.proj.weight';

/**
 * Parameters from those of a DiT (arXiv 2212.09748) or of SoFlow's network, by the names of their PyTorch code, behind any
 * prefix: a start for training, for images become clips. Its blocks, in turn, become the encoder's, the middle's and the
 * decoder's. What a DiT does not have starts such that all tokens pass through them as through the DiT: the fusion and the
 * long skips hand on what comes along the chain of blocks, the embeddings of the place, of the guidance scale and, unless it
 * has one, of the interval are zero; all else is as `initVideoDiT` makes it.
 *
 * That is the DiT's function where q and k are normalised per head by RMS, turned by the rotary embedding, and times are
 * embedded at our scale. A DiT without these needs training to get used to them. Where `learn_sigma` doubles
 * the output, its first half is taken. Labels of other classes are left out, and `fresh` says so.
 *
 * Throws if the file is of no DiT, or of one of other sizes, naming the first tensors that differ; and on patches of several
 * frames, SwiGLU or the data as its prediction, which a DiT does not have.
 */
export function initFromDiT(stream: RandomStream, config: VideoDiTConfig, stateDict: StateDict): FromDiT {
  const state = withoutPrefix(stateDict);
  checkConfig(config, state);
  return tf.tidy(() => {
    const [fresh, used, problems]: [string[], Set<string>, string[]] = [[], new Set(), []];
    const params = mapTree(initVideoDiT(stream, config), (leaf, name) => {
      const source = nameInDiT(name, config);
      const found = source === undefined ? undefined : state.get(source);
      if (source !== undefined && !found && !OPTIONAL.some((part) => source.includes(part))) {
        problems.push(`it lacks '${source}'`);
      }
      const wanted = shapeInDiT(name, leaf, config);
      const x = found && withoutSigma(name, config, tf.tensor(asFloats(found.data), [...found.shape]));
      if (x && `${x.shape}` !== `${wanted}` && name !== 'labelEmbedder.table') {
        problems.push(`'${source}' is [${found.shape.join(', ')}], and [${wanted.join(', ')}] would fit`);
      }
      if (!x || `${x.shape}` !== `${wanted}`) {
        fresh.push(name);
        return passThrough(name, leaf);
      }
      used.add(source!);
      return layOut(name, x, leaf.shape);
    });
    if (problems.length > 0) {
      const more = problems.length > 3 ? ` and ${problems.length - 3} more` : '';
      throw new Error(
        `initFromDiT: the weights do not fit the config: ${problems.slice(0, 3).join('; ')}${more}. ` +
          'Set channels, patchSize, hiddenSize, depth and mlpRatio to those of the network that they were trained in',
      );
    }
    return { params, fresh, unused: [...state.keys()].filter((name) => !used.has(name)) };
  });
}

/** The names behind the prefix of a wrapper, such as `module.` or `network.`. */
function withoutPrefix(stateDict: StateDict): StateDict {
  const names = [...stateDict.keys()];
  const patches = names.find((name) => name.endsWith(PATCHES));
  if (patches === undefined) {
    throw new Error(
      `initFromDiT: no tensor is named '${PATCHES}', which every DiT has; the first of ${names.length} names are ${names.slice(0, 3).join(', ')}`,
    );
  }
  const prefix = patches.slice(0, -PATCHES.length);
  return new Map([...stateDict].map(([name, x]) => [name.startsWith(prefix) ? name.slice(prefix.length) : name, x]));
}

function checkConfig({ patchSize, mlp, predicts, depth }: VideoDiTConfig, state: StateDict): void {
  if (patchSize[0] !== 1) {
    throw new Error(
      `initFromDiT: patchSize is [${patchSize.join(', ')}]; a DiT's patches are of one frame: [1, ${patchSize[1]}, ${patchSize[2]}]`,
    );
  }
  if (mlp === 'swiglu') throw new Error("initFromDiT: mlp is 'swiglu', and a DiT's is 'gelu'; leave it out");
  if (predicts === 'data') {
    throw new Error(
      "initFromDiT: predicts is 'data', and a DiT predicts noise, SoFlow's network the velocity; leave it out",
    );
  }
  const blocks = new Set([...state.keys()].flatMap((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? [])).size;
  const total = depth[0] + depth[1] + depth[2];
  if (blocks !== total) {
    throw new Error(
      `initFromDiT: depth [${depth.join(', ')}] is ${total} blocks, and the weights are of ${blocks}; choose three depths whose sum is ${blocks}`,
    );
  }
}

/** What a parameter is named in a DiT; undefined for what it does not have. */
function nameInDiT(name: string, { depth }: VideoDiTConfig): string | undefined {
  const block = /^(encoder|middle|decoder)Blocks\.(\d+)\.(.+)$/.exec(name);
  if (!block) return rename(NAMES, name);
  const before = { encoder: 0, middle: depth[0], decoder: depth[0] + depth[1] }[block[1] as 'encoder'];
  const inBlock = rename(BLOCK_NAMES, block[3]!);
  return inBlock && `blocks.${before + Number(block[2])}.${inBlock}`;
}

function rename(names: typeof NAMES, name: string): string | undefined {
  const found = names.find(([ours]) => name.startsWith(ours));
  return found && found[1] + name.slice(found[0].length);
}

/** PyTorch's weights of linear layers are [out, in], and of the convolution that makes patches [E, C, pH, pW]. */
function shapeInDiT(name: string, leaf: tf.Tensor, { channels, patchSize, hiddenSize }: VideoDiTConfig): number[] {
  if (name === 'patchEmbed.weight') return [hiddenSize, channels, patchSize[1], patchSize[2]];
  return isLinearWeight(name, leaf.shape) ? [...leaf.shape].reverse() : leaf.shape;
}

const isLinearWeight = (name: string, shape: readonly number[]) => shape.length === 2 && name.endsWith('.weight');

/** The prediction's half of an output [pH pW 2 C, ...], whose other half are variances; any other as it is. */
function withoutSigma(name: string, { channels, patchSize }: VideoDiTConfig, x: tf.Tensor): tf.Tensor {
  const [rows, ...rest] = x.shape;
  const places = patchSize[1] * patchSize[2];
  if (!name.startsWith('final.linear.') || rows !== places * 2 * channels) return x;
  const [prediction] = tf.split(tf.reshape(x, [places, 2, channels, ...rest]), 2, 1) as [tf.Tensor, tf.Tensor];
  return tf.reshape(prediction, [places * channels, ...rest]);
}

/** A tensor as ours are laid out: weights [in, out], patches in (pH, pW, C) order. */
function layOut(name: string, x: tf.Tensor, shape: number[]): tf.Tensor {
  if (name === 'patchEmbed.weight') return tf.reshape(tf.transpose(x, [2, 3, 1, 0]), shape);
  return isLinearWeight(name, shape) ? tf.transpose(x) : x;
}

const ZEROED = ['positionEmbed.weight', 'intervalEmbedder.fc2.weight', 'guidanceEmbedder.fc2.weight'];

/** A parameter that no DiT has, such that the network does not do what a DiT does not. */
function passThrough(name: string, leaf: tf.Tensor): tf.Tensor {
  if (ZEROED.includes(name)) return tf.zerosLike(leaf);
  const isSkip = /^skips\.\d+\.weight$/.test(name);
  if (!isSkip && name !== 'fusion.weight') return leaf;
  // [2 E, E]: of the skips the first half takes the chain of blocks, of the fusion the second.
  const identity = tf.eye(leaf.shape[1]!);
  const nothing = tf.zerosLike(identity);
  return tf.concat(isSkip ? [identity, nothing] : [nothing, identity]);
}

const asFloats = (data: ArrayLike<number | bigint>): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>, Number);
