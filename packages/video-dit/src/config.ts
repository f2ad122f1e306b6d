import type { AnyAttentionKind, AttentionSpec, Grid } from '@eflow/attention';
import { type WithDefaults, withDefaults } from '@eflow/tensor';
import { checkWordEncoder, type WordEncoderConfig } from '@eflow/text';

/** The sizes of a VideoDiT. Those of a clip are free at every call. What may be absent is then as in `VIDEO_DIT_DEFAULTS`. */
export interface VideoDiTConfig {
  /** C, of pixels or latents. */
  channels: number;
  /** Frames, rows and columns of a patch. */
  patchSize: readonly [pF: number, pH: number, pW: number];
  /** E */
  hiddenSize: number;
  /** Encoder, middle and decoder blocks. */
  depth: readonly [encoder: number, middle: number, decoder: number];
  /** N */
  numHeads: number;
  /** Width of the MLP over E. */
  mlpRatio?: number;
  /**
   * 'gelu' in its tanh form, or 'swiglu' (Shazeer, arXiv 2002.05202), whose width is two thirds of the other's, so that it
   * has as many parameters.
   */
  mlp?: 'gelu' | 'swiglu';
  /**
   * What the network puts out: 'velocity', the N of @eflow/flow, or 'data', of which `solutionNetworks` of @eflow/flow makes N.
   * Data are for patches of more numbers than E, whose noise does not fit through the network (JiT: Li and He, arXiv 2511.13720).
   */
  predicts?: 'velocity' | 'data';
  attention?: AttentionSpec;
  /** What `attention` is looked up in: `ATTENTION_KINDS` of @eflow/attention unless given, to which yours can be added. */
  attentionKinds?: readonly AnyAttentionKind[];
  /** Labels 0 .. numClasses - 1; numClasses itself stands for "no class". 0: the network takes no labels. */
  numClasses?: number;
  /** Width of the vectors of a sequence that every block's cross-attention sees, such as a text's. Absent: none. */
  contextSize?: number;
  /** Of a network that is told words: the encoder, trained with it, whose states are the context. Absent: none. */
  words?: WordEncoderConfig;
  /** Whether the guidance scale is an input, as an objective of @eflow/flow with a range of scales trains it. */
  guidanceInput?: boolean;
  /** Whether the token that stands for dropped ones is trained; SPRINT's code leaves it as drawn. */
  maskToken?: 'frozen' | 'trained';
  /**
   * 'blocks' keeps of every block the inputs alone for the gradient and runs the block again there: the same numbers, for
   * less memory and about a third more work.
   */
  checkpoint?: 'none' | 'blocks';
}

export const VIDEO_DIT_DEFAULTS = {
  mlpRatio: 4,
  mlp: 'gelu',
  predicts: 'velocity',
  attention: { kind: 'glga' },
  numClasses: 0,
  guidanceInput: false,
  maskToken: 'frozen',
  checkpoint: 'none',
} as const satisfies Partial<VideoDiTConfig>;

/** A config with nothing left to its defaults. */
export type FullVideoDiTConfig = WithDefaults<VideoDiTConfig, typeof VIDEO_DIT_DEFAULTS>;

/** An image is a clip of one frame, for patches of one frame. */
export interface ClipSize {
  numFrames: number;
  /** Pixels or latents. */
  height: number;
  width: number;
}

/**
 * The tokens of a clip in frames, rows and columns. Throws, naming the patches that would do, unless patches divide the
 * clip.
 */
export function tokenGrid({ patchSize }: Pick<VideoDiTConfig, 'patchSize'>, clip: ClipSize): Grid {
  const tokens = (['numFrames', 'height', 'width'] as const).map((name, axis) => {
    const [size, patch] = [clip[name], patchSize[axis]!];
    requireInteger(name, size, 1);
    if (size % patch === 0) return size / patch;
    const problem = size < patch ? `is less than a patch, ${patch}` : `is not a multiple of its patch, ${patch}`;
    const still = name === 'numFrames' && size === 1 ? ', or repeat the image' : '';
    throw new Error(
      `VideoDiT: ${name} ${size} ${problem}; patches that divide it: ${divisors(size)}; sizes near it: ${nearby(size, patch)}${still}`,
    );
  });
  return tokens as [number, number, number];
}

/** L, the number of tokens of a clip. Throws as `tokenGrid` does. */
export const countTokens = (config: Pick<VideoDiTConfig, 'patchSize'>, clip: ClipSize): number =>
  tokenGrid(config, clip).reduce((a, b) => a * b);

/** Width of the vectors that every block's cross-attention sees; undefined where there are none. */
export const contextWidth = ({
  contextSize,
  words,
}: Pick<VideoDiTConfig, 'contextSize' | 'words'>): number | undefined => words?.width ?? contextSize;

/** Width of the MLP's inner layer. */
export const mlpWidth = ({
  hiddenSize,
  mlpRatio,
  mlp,
}: Pick<FullVideoDiTConfig, 'hiddenSize' | 'mlpRatio'> & Pick<VideoDiTConfig, 'mlp'>): number =>
  Math.round(hiddenSize * mlpRatio * (mlp === 'swiglu' ? 2 / 3 : 1));

/** The config with its defaults filled in. Throws an error that names the first impossible size and the possible ones, or an unknown key. */
export function validateConfig(given: VideoDiTConfig): FullVideoDiTConfig {
  const config = withDefaults('VideoDiT', given, VIDEO_DIT_DEFAULTS, [
    ...REQUIRED,
    'attentionKinds',
    'contextSize',
    'words',
  ]);
  for (const name of REQUIRED) if (config[name] === undefined) throw new Error(`VideoDiT: the config has no ${name}`);
  const { hiddenSize, numHeads, depth, patchSize, mlp, predicts, maskToken, checkpoint } = config;
  for (const [i, axis] of ['frames', 'rows', 'columns'].entries())
    requireInteger(`patchSize (${axis})`, patchSize[i]!, 1);
  requireInteger('channels', config.channels, 1);
  requireInteger('numClasses', config.numClasses, 0);
  if (config.contextSize !== undefined) requireInteger('contextSize', config.contextSize, 1);
  if (config.words !== undefined) {
    checkWordEncoder('VideoDiT: words', config.words);
    if (config.contextSize !== undefined) {
      throw new Error(
        'VideoDiT: the config has contextSize and words; leave one out, as the states of words are the context',
      );
    }
  }
  requireInteger('hiddenSize', hiddenSize, 1);
  requireInteger('numHeads', numHeads, 1);
  if (hiddenSize % numHeads !== 0) {
    throw new Error(
      `VideoDiT: hiddenSize ${hiddenSize} is not a multiple of numHeads ${numHeads}; numbers of heads that divide it: ${divisors(hiddenSize)}`,
    );
  }
  const headDim = hiddenSize / numHeads;
  if (headDim % 2 !== 0 || headDim < 6) {
    throw new Error(
      `VideoDiT: hiddenSize / numHeads is ${headDim}; the rotary embedding needs an even head of at least 6`,
    );
  }
  for (const [i, part] of ['encoder', 'middle', 'decoder'].entries()) requireInteger(`depth (${part})`, depth[i]!, 1);
  if (!(config.mlpRatio > 0)) throw new Error(`VideoDiT: mlpRatio is ${config.mlpRatio}; expected a positive number`);
  requireOneOf('mlp', mlp, ['gelu', 'swiglu']);
  requireOneOf('predicts', predicts, ['velocity', 'data']);
  requireOneOf('maskToken', maskToken, ['frozen', 'trained']);
  requireOneOf('checkpoint', checkpoint, ['none', 'blocks']);
  return config;
}

const REQUIRED = ['channels', 'patchSize', 'hiddenSize', 'depth', 'numHeads'] as const;

function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`VideoDiT: ${name} is ${value}; expected an integer of at least ${least}`);
  }
}

function requireOneOf<Value extends string>(name: string, value: Value, known: readonly [Value, Value]): void {
  if (!known.includes(value)) throw new Error(`VideoDiT: ${name} is '${value}'; expected '${known.join("' or '")}'`);
}

const divisors = (n: number) =>
  Array.from({ length: n }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .join(', ');

/** The multiples of a patch around a size. */
const nearby = (size: number, patch: number) =>
  [Math.floor(size / patch) * patch, Math.ceil(size / patch) * patch].filter((n) => n > 0).join(', ');
