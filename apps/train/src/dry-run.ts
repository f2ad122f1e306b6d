import { countOf, formatClock, median, percent } from '@eflow/cli';
import { makeBatch } from '@eflow/data';
import { type EngineInfo, reportMemory } from '@eflow/engine';
import { countPasses, createObjective, type Pass } from '@eflow/flow';
import {
  assertSameData,
  countStepFlops,
  type DataRecord,
  describeLeftOut,
  openClips,
  openRunFolder,
  type RunConfig,
  readDataRecord,
  recordData,
  type TrainingStage,
  trainingStages,
  videoDiTConfig,
} from '@eflow/run';
import { countParameters, disposeTree } from '@eflow/tensor';
import {
  countKept,
  countNetwork,
  countTokens,
  type FullVideoDiTConfig,
  keepRatioAt,
  tokenGrid,
} from '@eflow/video-dit';
import { newState } from './state.ts';
import type { Task } from './supervise.ts';
import { createRunStep, upload } from './train-step.ts';

/** Steps that are measured of each stage: at least so many, and for at least so long, after those that settle. */
const LEAST = { steps: 4, seconds: 3 };
const SETTLING = { steps: 1, seconds: 2 };

/** What a run would be. */
export interface DryRun {
  parameters: number;
  /** Tokens of a clip, and those that the middle keeps in training. */
  tokens: number;
  keptTokens: number;
  /** FLOPs of a training step's matrix products, with the tokens that training keeps: the mean over its stages. */
  stepFlops: number;
  /** The mean over the stages, of each the median, measured on steps that are thrown away. */
  stepSeconds: number;
  stages: (TrainingStage & { stepSeconds: number; measuredSteps: number })[];
  peakResidentBytes: number;
  /** Its tensors. */
  checkpointBytes: number;
  /** Steps and seconds that the run would take. */
  plannedSteps: number;
  plannedSeconds: number;
  /** Absent for moving digits. */
  data?: DataRecord;
}

/** Parameters and FLOPs of a run, and time and memory, measured on a few steps. Throws where its data do not suit it. */
export function dryRun({ config, root, start, eager }: Task): DryRun {
  const record = recordData(config);
  const earlier = start === 'resume' ? readDataRecord(openRunFolder(root).folder) : undefined;
  if (record && earlier) assertSameData(earlier, record);
  const network = videoDiTConfig(config);
  const { data, training } = config;
  const { steps, maxSeconds = Number.POSITIVE_INFINITY } = training;
  const keepRatio = keepRatioAt(0, training);
  const tokens = countTokens(network, data);
  const { stages, checkpointBytes } = measureSteps(config, network, { eager });
  const stepSeconds = stages.reduce((sum, stage) => sum + stage.share * stage.stepSeconds, 0);
  return {
    parameters: countNetwork(network, data, { batchSize: training.batchSize }).parameters,
    tokens,
    keptTokens: countKept(tokens, keepRatio),
    stepFlops: countStepFlops(config, network),
    stepSeconds,
    stages,
    peakResidentBytes: reportMemory().peakResidentBytes,
    checkpointBytes,
    plannedSteps: Math.min(steps, Math.floor(maxSeconds / stepSeconds)),
    plannedSeconds: Math.min(stepSeconds * steps, maxSeconds),
    ...(record && { data: record }),
  };
}

/** A dry run as text, with the shapes and where the FLOPs lie. */
export function describeDryRun(config: RunConfig, run: DryRun, engine: EngineInfo): string {
  const network = videoDiTConfig(config);
  const { data, training } = config;
  const [frames, rows, columns] = tokenGrid(network, data);
  const keepRatio = keepRatioAt(0, training);
  const kept = countNetwork(network, data, { batchSize: training.batchSize, keepRatio });
  const dense = countNetwork(network, data, { batchSize: training.batchSize });
  const parts = Object.entries(dense.parts).map(([part, count]) => [
    `  ${part}`,
    count.parameters.toLocaleString('en'),
  ]);
  const lines: Record<string, string> = {
    clips: `[${training.batchSize}, ${data.numFrames}, ${data.height}, ${data.width}, ${network.channels}] (B, F, H, W, C)`,
    tokens: `${run.tokens} = ${frames} x ${rows} x ${columns}, of which the middle keeps ${run.keptTokens} in training`,
    attention: `[${training.batchSize}, ${network.numHeads}, ${run.tokens}, ${network.hiddenSize / network.numHeads}] (B, N, L, D), ${network.attention.kind}`,
    ...(network.words ? { words: `${network.words.vocabulary.length}` } : { classes: `${network.numClasses}` }),
    ...(run.data && { videos: describeLeftOut(run.data) ?? `${run.data.videos}` }),
    objective: describePasses(config),
    parameters: run.parameters.toLocaleString('en'),
    ...Object.fromEntries(parts),
    'a batch': 'GFLOP of its matrix products',
    '  forward pass': formatSaving(kept.forwardFlops, dense.forwardFlops),
    '  weak path': `${giga(dense.weakFlops)}, ${percent(dense.weakFlops / dense.forwardFlops)} of a dense forward pass`,
    '  step': formatSaving(run.stepFlops, countStepFlops(config, network, 1)),
    'a step': `${milliseconds(run.stepSeconds)} (${describeStages(run)}), ${(training.batchSize / run.stepSeconds).toFixed(0)} clips/s, ${giga(run.stepFlops / run.stepSeconds)} GFLOP/s on TensorFlow ${engine.tensorflowVersion}, ${engine.device}`,
    training: `${countOf(training.steps, 'step')}${training.maxSeconds ? ` or ${training.maxSeconds} s` : ''}: about ${formatClock(run.plannedSeconds)}, ${countOf(run.plannedSteps, 'step')}`,
    memory: `${megabytes(run.peakResidentBytes)} at its peak`,
    'a checkpoint': `${megabytes(run.checkpointBytes)} (parameters, EMA and the moments of ${config.optimizer.kind})`,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name.padEnd(15)} ${value}`)
    .join('\n');
}

/** The objective's kind and the passes of one step, in whole batches; of one that trains the velocity alone, too, if there are such. */
function describePasses(config: RunConfig): string {
  const { objective, training } = config;
  const describe = (trainsJumps: boolean) => {
    const passes = countPasses(createObjective(objective), training.batchSize, { trainsJumps });
    const batches = (network: Pass['network'], gradient: boolean) => {
      const rows = passes.map((pass) => (pass.network === network && pass.gradient === gradient ? pass.rows : 0));
      return Number((rows.reduce((a, b) => a + b) / training.batchSize).toFixed(2));
    };
    const weak = batches('weak', false);
    const strong = `${batches('strong', true)} pass with gradient and ${batches('strong', false)} without`;
    return `${strong}${weak > 0 ? `, and ${weak} of the weak path` : ''}`;
  };
  const warmup = trainingStages(config).some(({ trainsJumps }) => !trainsJumps);
  return `${objective.kind}: a step is ${describe(true)}${warmup ? `; of the velocity alone ${describe(false)}` : ''}`;
}

/** Where the seconds of a step come from. */
function describeStages({ stages }: DryRun): string {
  const medians = stages.map(({ share, stepSeconds, measuredSteps, trainsJumps, keepRatio }) => {
    if (stages.length === 1) return `median of ${measuredSteps}`;
    const of = [...(trainsJumps ? [] : ['of the velocity alone']), ...(keepRatio < 1 ? ['with tokens dropped'] : [])];
    return [milliseconds(stepSeconds), ...of, `in ${percent(share)} of the steps, median of ${measuredSteps}`].join(
      ' ',
    );
  });
  return medians.join('; ');
}

/** Median seconds of a few steps of each stage. The first compiles, and those after it are slower, too, for a while. */
function measureSteps(config: RunConfig, network: FullVideoDiTConfig, options: { eager: boolean }) {
  const state = newState(config, network);
  const dataset = openClips(config, 'train');
  const trainStep = createRunStep(config, network, options);
  let made = 0;
  const runFor = (firstStep: number, least: { steps: number; seconds: number }): number[] => {
    const times: number[] = [];
    let total = 0;
    while (times.length < least.steps || total < least.seconds) {
      const batch = upload(network, makeBatch(dataset, config.training.batchSize, made++));
      state.step = firstStep;
      const start = performance.now();
      trainStep(state, batch);
      times.push((performance.now() - start) / 1000);
      total += times.at(-1)!;
      disposeTree(batch);
    }
    return times;
  };
  const stages = trainingStages(config).map((stage) => {
    runFor(stage.firstStep, SETTLING);
    const seconds = runFor(stage.firstStep, LEAST);
    return { ...stage, stepSeconds: median(seconds), measuredSteps: seconds.length };
  });
  dataset.close?.();
  const checkpointBytes = 4 * countParameters(state.weights);
  return { stages, checkpointBytes };
}

/** FLOPs with the tokens that training keeps, and with all. */
function formatSaving(kept: number, dense: number): string {
  if (kept === dense) return giga(dense);
  return `${giga(kept)} with tokens dropped, ${giga(dense)} dense: ${percent(1 - kept / dense)} saved`;
}

const giga = (flops: number) => (flops / 1e9).toLocaleString('en', { maximumSignificantDigits: 3 });
const milliseconds = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
