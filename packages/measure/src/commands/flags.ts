import { setUpIfNeeded, useTensorFlow } from '@eflow/engine';
import { type Extractor, type OnnxExtractorOptions, PROTOCOL_PRESETS, type ProtocolName } from '@eflow/fvd';
import { type ExtractorName, type ExtractorSpec, loadExtractor } from '../extractors.ts';
import { carriedBy, type SourceSpec } from '../sources.ts';

type Triple = [number, number, number];

/** What every command that looks at videos is given. */
export interface LookFlags {
  extractor: ExtractorName;
  weights?: string;
  weightsSha256?: string;
  model?: string;
  layout: OnnxExtractorOptions['layout'];
  mean: Triple;
  std: Triple;
  side: number;
  protocol: ProtocolName;
  pooled?: boolean;
  frames?: number;
  /** Absent: that of generated shards, or 1. */
  stride?: number;
  videos: number;
  batch: number;
  seed: number;
}

/**
 * The clips that flags ask for, of sources at these paths. Where one of them has a model's clips, all are read to match: at the stride
 * that its model was trained at, and no longer than its clips are.
 */
export function sourceSpec(
  { frames, protocol, stride, videos, seed }: LookFlags,
  paths: readonly string[],
): SourceSpec {
  const carried = paths.map(carriedBy).filter((one) => one !== undefined);
  const { numFrames } = PROTOCOL_PRESETS[protocol];
  return {
    numFrames: frames ?? Math.min(numFrames, ...carried.map((one) => one.numFrames)),
    frameStride: stride ?? Math.max(1, ...carried.map((one) => one.frameStride)),
    most: videos,
    seed,
  };
}

/** The extractor that flags ask for. Throws if a flag that it needs is missing. */
export function extractorSpec(flags: LookFlags): ExtractorSpec {
  const { extractor: name, weights, protocol, pooled, model, layout, mean, std, side, frames } = flags;
  const { resize, numFrames } = PROTOCOL_PRESETS[protocol];
  switch (name) {
    case 'digits':
    case 'captionedDigits':
    case 'movingEmoji':
      return { name };
    case 'nsfwjs':
      return { name, resize };
    case 'onnx': {
      if (!model) throw new Error('--extractor onnx needs the file of its model: --model FILE');
      const size = { ...resize, height: side, width: side };
      return { name, model, layout, resize: size, mean, std, minFrames: frames ?? numFrames };
    }
    case 'i3d':
      if (weights) return { name, weights, resize, feature: pooled ? 'pooled' : 'logits' };
      throw new Error(
        'FVD needs the weights of I3D, which cannot be shipped: give them with --weights (the README says how to get them), or compare RGB videos without a download by --extractor nsfwjs, moving digits by --extractor digits',
      );
  }
}

/** Loads the extractor that flags ask for. Throws if its weights are not those that were asked for. */
export async function openExtractor(flags: LookFlags): Promise<Extractor> {
  await setUpIfNeeded();
  await useTensorFlow();
  const extractor = await loadExtractor(extractorSpec(flags));
  const wanted = flags.weightsSha256?.toLowerCase();
  if (!wanted || extractor.weightsSha256.startsWith(wanted)) return extractor;
  throw new Error(
    `the weights of ${extractor.name} have SHA-256 ${extractor.weightsSha256}, not ${wanted}: take the file that the other numbers were measured with`,
  );
}
