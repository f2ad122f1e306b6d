import { createMovingDigits, makeBatch } from '@eflow/data';
import { type EngineInfo, reportMemory } from '@eflow/engine';
import { movingDigitsSpec, type RunConfig, videoDiTConfig } from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import { countKept, countNetwork, keepRatioAt, tokenGrid, type VideoDiTConfig } from '@eflow/video-dit';
import { initState } from './state.ts';
import { countStepFlops } from './step-flops.ts';
import { createTrainStep, upload } from './train-step.ts';

const STEPS = 5;

/** What a run would be: shapes, parameters, FLOPs, and time and memory measured on a few steps that are thrown away. */
export function dryRun(config: RunConfig, engine: EngineInfo, { eager = false } = {}): string {
  const network = videoDiTConfig(config);
  const { data, objective, training } = config;
  const [frames, rows, columns] = tokenGrid(network, data);
  const tokens = frames * rows * columns;
  const keepRatio = keepRatioAt(0, objective);
  const kept = countNetwork(network, data, { batchSize: training.batchSize, keepRatio });
  const dense = countNetwork(network, data, { batchSize: training.batchSize });
  const { parameters, parts } = dense;
  const stepFlops = countStepFlops(config, network, keepRatio);

  const stepSeconds = measureStep(config, network, { eager });
  const planned = Math.min(stepSeconds * training.steps, training.maxSeconds ?? Number.POSITIVE_INFINITY);
  const rowsOut: [string, string][] = [
    [
      'clips',
      `[${training.batchSize}, ${data.numFrames}, ${data.height}, ${data.width}, ${network.channels}] (B, F, H, W, C)`,
    ],
    [
      'tokens',
      `${tokens} = ${frames} x ${rows} x ${columns}, of which the middle keeps ${countKept(tokens, keepRatio)} in training`,
    ],
    [
      'attention',
      `[${training.batchSize}, ${network.numHeads}, ${tokens}, ${network.hiddenSize / network.numHeads}] (B, N, L, D), ${network.attention.kind}`,
    ],
    ['classes', `${network.numClasses}`],
    ['parameters', parameters.toLocaleString('en')],
    ...Object.entries(parts).map(([part, count]): [string, string] => [
      `  ${part}`,
      count.parameters.toLocaleString('en'),
    ]),
    ['a batch', 'GFLOP of its matrix products'],
    ['  forward pass', formatSaving(kept.forwardFlops, dense.forwardFlops)],
    [
      '  weak path',
      `${giga(dense.weakFlops)}, ${percent(dense.weakFlops / dense.forwardFlops)} of a dense forward pass`,
    ],
    ['  step', formatSaving(stepFlops, countStepFlops(config, network, 1))],
    [
      'a step',
      `${(1000 * stepSeconds).toFixed(0)} ms (median of ${STEPS - 1}), ${(training.batchSize / stepSeconds).toFixed(0)} clips/s, ${giga(stepFlops / stepSeconds)} GFLOP/s on TensorFlow ${engine.tensorflowVersion}, ${engine.device}`,
    ],
    [
      'training',
      `${training.steps} steps${training.maxSeconds ? ` or ${training.maxSeconds} s` : ''}: about ${formatDuration(planned)}, ${Math.floor(planned / stepSeconds)} steps`,
    ],
    ['memory', `${megabytes(reportMemory().peakResidentBytes)} at its peak`],
    ['a checkpoint', `${megabytes(4 * 4 * parameters)} (parameters, EMA and the optimizer's two moments)`],
  ];
  return rowsOut.map(([name, value]) => `${name.padEnd(15)} ${value}`).join('\n');
}

/** Median seconds of a few steps, the first, which compiles, left out. */
function measureStep(config: RunConfig, network: VideoDiTConfig, options: { eager: boolean }): number {
  const state = initState(config, network);
  const dataset = createMovingDigits(movingDigitsSpec(config, 'train'));
  const trainStep = createTrainStep(config, network, state.unravel, options);
  const seconds: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const batch = upload(makeBatch(dataset, config.training.batchSize, step), config.data);
    const start = performance.now();
    trainStep(state, batch);
    seconds.push((performance.now() - start) / 1000);
    disposeTree([batch.data, batch.condition]);
  }
  return seconds.slice(1).sort((a, b) => a - b)[Math.floor((STEPS - 1) / 2)]!;
}

/** FLOPs with the tokens that training keeps, and with all. */
function formatSaving(kept: number, dense: number): string {
  if (kept === dense) return giga(dense);
  return `${giga(kept)} with tokens dropped, ${giga(dense)} dense: ${percent(1 - kept / dense)} saved`;
}

const giga = (flops: number) => (flops / 1e9).toLocaleString('en', { maximumSignificantDigits: 3 });
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

function formatDuration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
