import type { ResizeRule } from './resize.ts';
import type { CovarianceRule } from './statistics.ts';

/** How frames become what an extractor takes. */
export interface ResizeSpec {
  rule: ResizeRule;
  /** Pixels. */
  height: number;
  width: number;
  /** 'none' stretches frames to the size; 'centre' keeps their shape, covers the size and cuts the middle out. */
  crop: 'none' | 'centre';
}

/** What I3D is called in protocols, whatever its weights: their hash stands beside it. */
export const I3D_NAME = 'I3D';

/** What features were made by. */
export interface ExtractorRecord {
  /** Such as `I3D`. */
  extractor: string;
  /** SHA-256 of the file of its weights. */
  weightsSha256: string;
  /** Such as `logits`. */
  feature: string;
  /** Absent: frames as they are. */
  resize?: ResizeSpec;
  /** What else is done to frames by choice; absent: nothing. */
  preprocessing?: string;
}

/** Whether a Frechet distance of such features may be called FVD: of I3D's logits, nothing else. */
export const isFvd = ({ extractor, feature }: ExtractorRecord): boolean =>
  extractor === I3D_NAME && feature === 'logits';

/** How the videos of one kind that were measured were taken from those there were. */
export interface Draw {
  /** Videos there were. */
  of: number;
  /** Where in its video each clip begins; absent: not known. */
  start?: 'first' | 'random';
  /** What the videos, or the random starts, were drawn by; absent: all videos were taken, from their first frames on. */
  seed?: number;
}

/** All that a distance depends on besides the videos. A number without it says nothing. */
export interface Protocol extends ExtractorRecord {
  /** Frames per clip. */
  numFrames: number;
  /** Every how many frames of a video a clip takes one. */
  frameStride: number;
  covarianceRule: CovarianceRule;
  numReal: number;
  numGenerated: number;
  /** Absent: not known, as of features from elsewhere. */
  realDraw?: Draw;
  generatedDraw?: Draw;
  /** Split of the real videos, such as `train`. */
  split: string;
}

/** What the published ways to measure FVD say. */
export interface ProtocolPreset {
  source: string;
  feature: 'logits';
  resize: ResizeSpec;
  numFrames: number;
  covarianceRule: CovarianceRule;
}

const SIDE = { height: 224, width: 224 };

export const PROTOCOL_PRESETS = {
  original: {
    source:
      'Unterthiner et al., arXiv 1812.01717, and its code: frames stretched by TensorFlow 1, covariance over N - 1',
    feature: 'logits',
    resize: { rule: 'bilinear-corner', ...SIDE, crop: 'none' },
    numFrames: 15,
    covarianceRule: 'N-1',
  },
  'stylegan-v': {
    source: 'Skorokhodov et al., arXiv 2112.14683: 2,048 videos of each kind, frames stretched, covariance over N',
    feature: 'logits',
    resize: { rule: 'bilinear', ...SIDE, crop: 'none' },
    numFrames: 16,
    covarianceRule: 'N',
  },
  'common-metrics': {
    source:
      'the widely used PyTorch code of VideoGPT (arXiv 2104.10157): short side to 224, middle cut out, covariance over N - 1',
    feature: 'logits',
    resize: { rule: 'bilinear', ...SIDE, crop: 'centre' },
    numFrames: 16,
    covarianceRule: 'N-1',
  },
} as const satisfies Record<string, ProtocolPreset>;

export type ProtocolName = keyof typeof PROTOCOL_PRESETS;

/** Videos below which a Frechet distance is mostly bias. */
export const FEW_VIDEOS = 256;

/**
 * Throws, naming the first thing that differs and both its values, unless all were measured alike: only such numbers may stand
 * in one table. The real videos must be the same ones, drawn from as many by the same seed; which of a model's videos are measured,
 * and how many more there are, is left to chance.
 */
export function assertComparable(results: readonly { protocol: Partial<Protocol> }[]): void {
  const [first, ...others] = results.map(({ protocol: { generatedDraw: _, ...protocol } }) => flatten(protocol));
  for (const other of others) {
    const name = [...new Set([...first!.keys(), ...other.keys()])].find((key) => first!.get(key) !== other.get(key));
    if (name === undefined) continue;
    throw new Error(
      `assertComparable: ${name} is ${first!.get(name) ?? 'absent'} in one result and ${other.get(name) ?? 'absent'} in another; measure both by one protocol`,
    );
  }
}

/** Dotted names and values. */
function flatten(value: object, prefix = ''): Map<string, unknown> {
  return new Map(
    Object.entries(value).flatMap(([key, part]): [string, unknown][] =>
      typeof part === 'object' ? [...flatten(part, `${prefix}${key}.`)] : [[prefix + key, part]],
    ),
  );
}
