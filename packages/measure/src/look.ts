import type { CaptionTask } from '@eflow/data';
import {
  classAccuracy,
  type Extractor,
  type ExtractorRecord,
  extractFeatures,
  type FeatureSet,
  frameConsistency,
  type Protocol,
  recordExtractor,
  type TemporalFigures,
  temporalFigures,
} from '@eflow/fvd';
import { type FactorJudgement, judgeFactors } from './judge-factors.ts';
import type { ClipSource } from './sources.ts';
import type { Tally } from './tally.ts';

/** What an extractor saw of one kind of videos, and how they move. */
export interface Seen {
  features: FeatureSet;
  /** Height and width of the frames that were looked at, in pixels; absent: features came from elsewhere. */
  frameSize?: readonly [number, number];
  /** What became of the videos that there were. */
  tally: Tally;
  /** Absent: features came from elsewhere, or clips have fewer than 3 frames. */
  motion?: TemporalFigures[];
  /** What made the features; absent: they came from a file that does not say. */
  record?: FeatureRecord;
  /** How far clips are what they were asked to be; absent unless they were judged. */
  judgement?: Judgement;
  /** The same of clips that were asked for by captions; absent unless the task was given. */
  factors?: FactorJudgement;
}

/** All that features depend on besides the videos. */
export type FeatureRecord = ExtractorRecord & Pick<Protocol, 'numFrames' | 'frameStride'>;

/** Shares of the clips, in [0, 1]. */
export interface Judgement {
  /** Taken for the class that they are labelled with. */
  classAccuracy: number;
  /** In all of whose frames the same class is seen, right or wrong. */
  frameConsistency: number;
}

export interface LookOptions {
  /** Clips at a time; more take more memory. 4 unless given. */
  batchSize?: number;
  /** Compares what the extractor takes clips for with their labels. */
  judge?: boolean;
  /** What the captions of the clips say: compares the factors that the extractor sees with the clips' labels. */
  task?: CaptionTask;
  /** Is told after each batch how many clips were looked at. */
  onProgress?: (clips: number) => void;
}

/**
 * The features and the motion of a source's clips. Throws as `extractFeatures` and the source do and, where it is to judge, if the
 * extractor tells no classes or not all factors apart, or clips have no labels.
 */
export async function look(
  extractor: Extractor,
  source: ClipSource,
  { batchSize = 4, judge = false, task, onProgress = () => {} }: LookOptions = {},
): Promise<Seen> {
  const motion: TemporalFigures[] = [];
  let frameSize: Seen['frameSize'];
  const judged = { logits: [] as number[], frameLogits: [] as number[], labels: [] as number[] };
  const values: Record<string, number[]> = {};
  const features = await extractFeatures(
    extractor,
    source.batches(batchSize),
    (count, clips, { logits, frameLogits, values: told = {} }) => {
      frameSize = [clips.shape[2], clips.shape[3]];
      if (clips.shape[1] >= 3) motion.push(...temporalFigures(clips));
      if (judge) {
        if (!logits || !frameLogits)
          throw new Error(`look: ${extractor.name} tells no classes apart, so that it cannot judge`);
        judged.logits.push(...logits);
        judged.frameLogits.push(...frameLogits);
      }
      if (judge || task) {
        if (!clips.labels) throw new Error('look: clips to judge need labels');
        judged.labels.push(...clips.labels);
        for (const [factor, numbers] of Object.entries(told)) {
          values[factor] ??= [];
          values[factor].push(...numbers);
        }
      }
      onProgress(count);
    },
  );
  return {
    features,
    frameSize,
    tally: source.tally(),
    record: recordFeatures(extractor, source.clip),
    motion: motion.length > 0 ? motion : undefined,
    judgement: judge ? judgeClips(judged, source.clip.numFrames) : undefined,
    factors: task && judgeFactors(task, judged.labels, values),
  };
}

function judgeClips(
  { logits, frameLogits, labels }: Record<'logits' | 'frameLogits' | 'labels', number[]>,
  numFrames: number,
): Judgement {
  const numClasses = logits.length / labels.length;
  return {
    classAccuracy: classAccuracy(Float32Array.from(logits), numClasses, labels),
    frameConsistency: frameConsistency(Float32Array.from(frameLogits), numFrames, numClasses),
  };
}

/** What the features of an extractor and such clips depend on. */
export const recordFeatures = (
  extractor: Extractor,
  { numFrames, frameStride }: ClipSource['clip'],
): FeatureRecord => ({
  ...recordExtractor(extractor),
  numFrames,
  frameStride,
});

/** Throws if frames of real and generated videos differ in size: a distance would be one of resolutions. Sizes not known pass. */
export function assertSameSize(
  real: { frameSize?: readonly [number, number] },
  generated: { frameSize?: readonly [number, number] },
): void {
  const [a, b] = [real.frameSize?.join('x'), generated.frameSize?.join('x')];
  if (a === undefined || b === undefined || a === b) return;
  throw new Error(
    `frames of the real videos are ${a} pixels, those of the generated ones ${b}: bring both to one size, with eflow-data prepare --size ${b}`,
  );
}

/** Videos of which there are features. */
export const countVideos = ({ features }: Pick<Seen, 'features'>): number =>
  features.features.length / features.numFeatures;
