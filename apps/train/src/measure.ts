import { makeBatch } from '@eflow/data';
import {
  type Clips,
  type CovarianceRule,
  type Extractor,
  extractFeatures,
  featureDistance,
  inBatches,
  kernelDistance,
  PROTOCOL_PRESETS,
  type Protocol,
  recordExtractor,
} from '@eflow/fvd';
import { type ClipSource, drawOf, loadDigits, loadI3D, openSource } from '@eflow/measure';
import {
  cycleLabels,
  type DataRecord,
  openClips,
  type RunConfig,
  type Sample,
  type StepMeasurement,
  sampleClips,
} from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import type { VideoDiTConfig } from '@eflow/video-dit';
import type { RunState } from './state.ts';

/** Clips that an extractor sees at a time. */
const BATCH = 4;

/**
 * Looks at the run's real clips, and returns what measures the EMA weights against them: by the classifier of moving digits, or
 * by I3D where the clips are of videos, whose record is then in every measurement. Throws if the weights are not I3D's, or clips
 * are too short for it.
 */
export async function createMeasure(config: RunConfig, network: VideoDiTConfig, sample: Sample, record?: DataRecord) {
  const { extractor, covarianceRule } = await loadExtractor(config);
  const real = await realClips(config);
  const reference = await extractFeatures(extractor, real.batches(BATCH));
  const numReal = reference.features.length / reference.numFeatures;
  const { clips: numGenerated } = config.measurement;
  const protocol: Protocol = {
    ...recordExtractor(extractor),
    numFrames: config.data.numFrames,
    frameStride: config.data.kind === 'videos' ? config.data.frameStride : 1,
    ...{ covarianceRule, numReal, numGenerated },
    ...('tally' in real && { realDraw: drawOf(real.tally()) }),
    split: config.data.kind === 'videos' ? 'train' : 'held-out',
  };
  return async ({ weights, unravel, step }: RunState, seconds: number): Promise<StepMeasurement> => {
    const params = unravel(weights.ema);
    const clips = sampleClips(sample, params, network, {
      clip: config.data,
      labels: cycleLabels(numGenerated, network.numClasses),
      seed: config.seed,
    });
    disposeTree(params);
    const generated = await extractFeatures(extractor, inBatches(clips, BATCH));
    const kernel = kernelDistance(generated, reference);
    return {
      ...{ step, seconds },
      frechetDistance: featureDistance(generated, reference, covarianceRule),
      ...{ kernelDistance: kernel.distance, kernelStandardError: kernel.standardError },
      protocol,
      ...(record && { data: { videos: record.videos, tooShort: record.tooShort } }),
    };
  };
}

async function loadExtractor({
  data,
  measurement,
}: RunConfig): Promise<{ extractor: Extractor; covarianceRule: CovarianceRule }> {
  if (data.kind === 'movingDigits') return { extractor: await loadDigits(), covarianceRule: 'N-1' };
  const { resize, covarianceRule } = PROTOCOL_PRESETS[measurement.protocol];
  return { extractor: await loadI3D(measurement.i3dWeights!, resize, 'logits'), covarianceRule };
}

/** Moving digits of other writers than those trained on; of videos, which have no split, one clip of each. */
async function realClips(config: RunConfig): Promise<ClipSource | Pick<ClipSource, 'batches'>> {
  const { data, measurement, seed } = config;
  if (data.kind === 'videos') return openSource(data.folder, { ...data, most: measurement.clips, seed });
  async function* batches(): AsyncGenerator<Clips> {
    const dataset = openClips(config, 'held-out');
    const { pixels } = makeBatch(dataset, measurement.clips, 0);
    yield* inBatches({ data: pixels, shape: [measurement.clips, ...dataset.shape] }, BATCH);
  }
  return { batches };
}
