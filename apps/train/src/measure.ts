import { datasetKind } from '@eflow/data';
import { type CovarianceRule, PROTOCOL_PRESETS } from '@eflow/fvd';
import {
  clipsSource,
  DIGITS_COVARIANCE_RULE,
  type ExtractorSpec,
  loadExtractor,
  look,
  type Measurement,
  measure,
  realSource,
} from '@eflow/measure';
import {
  askEvenly,
  type DataRecord,
  type RunConfig,
  type SampleFunction,
  type StepMeasurement,
  sampleClips,
} from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import type { FullVideoDiTConfig } from '@eflow/video-dit';
import type { RunState } from './state.ts';

/** Clips of either kind that a distance needs. */
const LEAST_CLIPS = 3;

/**
 * Looks at the run's real clips, and returns what measures the EMA weights against them: by a classifier of digits, or
 * by I3D where the clips are of videos, whose record is then in every measurement. Throws if the weights are not I3D's, clips
 * are too short for it, or real ones too few.
 */
export async function createMeasure(
  config: RunConfig,
  network: FullVideoDiTConfig,
  sample: SampleFunction,
  record?: DataRecord,
) {
  const { data, measurement, seed } = config;
  const { spec, covarianceRule } = chooseExtractor(config);
  const extractor = await loadExtractor(spec);
  const real = await look(extractor, await realSource(data, { most: measurement.clips, seed }));
  if (real.tally.measured < LEAST_CLIPS) {
    throw new Error(
      `measurement.every is set, and there are ${real.tally.measured} real clips to measure against; at least ${LEAST_CLIPS} are needed: ` +
        'hold out more videos by data.heldOut, or set measurement.every=0',
    );
  }
  const kind = datasetKind(data);
  const task = config.text && kind.captions?.(data);
  const by = { covarianceRule, split: kind.splits(data).at(-1)! };
  const { frameStride } = kind.describe(data);
  const asked = askEvenly(config, measurement.clips);
  return async ({ weights, unravel, step }: RunState, seconds: number): Promise<StepMeasurement & Measurement> => {
    const params = unravel(weights.ema);
    const clips = sampleClips(sample, params, network, { clip: data, ...asked, seed });
    disposeTree(params);
    const generated = await look(extractor, clipsSource(clips, { frameStride }), { task });
    const { videos, ...figures } = measure(real, generated, by, { brief: true });
    return {
      step,
      seconds,
      ...figures,
      videos: { ...videos, real: { ...videos.real, rejections: [] } }, // the same files in every line: their number is enough
      data: record && { videos: record.videos, tooShort: record.tooShort },
    };
  };
}

/** The extractor that the run's data are measured by, and how the covariance of its features is divided. */
function chooseExtractor({ data, measurement }: RunConfig): { spec: ExtractorSpec; covarianceRule: CovarianceRule } {
  const name = datasetKind(data).measuredBy;
  switch (name) {
    case 'digits':
    case 'captionedDigits':
    case 'movingEmoji':
      return { spec: { name }, covarianceRule: DIGITS_COVARIANCE_RULE };
    case 'i3d': {
      const { resize, covarianceRule } = PROTOCOL_PRESETS[measurement.protocol];
      return { spec: { name: 'i3d', weights: measurement.i3dWeights!, resize, feature: 'logits' }, covarianceRule };
    }
  }
}
