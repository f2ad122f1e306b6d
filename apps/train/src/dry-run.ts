import { createMovingDigits, makeBatch } from '@eflow/data';
import { type EngineInfo, reportMemory } from '@eflow/engine';
import { movingDigitsSpec, type RunConfig, videoDiTConfig } from '@eflow/run';
import { countParameters, disposeTree, treeEntries } from '@eflow/tensor';
import { countKept, countTokens, tokenGrid } from '@eflow/video-dit';
import { initState } from './state.ts';
import { createTrainStep, upload } from './train-step.ts';

const STEPS = 5;

/** What a run would be: shapes, parameters, and time and memory measured on a few steps that are thrown away. */
export function dryRun(config: RunConfig, engine: EngineInfo, { eager = false } = {}): string {
  const network = videoDiTConfig(config);
  const { training, objective } = config;
  const state = initState(config, network);
  const tree = state.unravel(state.weights.params);
  const [frames, rows, columns] = tokenGrid(network);
  const tokens = countTokens(network);
  const parts = new Map<string, number>();
  for (const [name, leaf] of treeEntries(tree)) {
    const part = name.split('.')[0]!;
    parts.set(part, (parts.get(part) ?? 0) + leaf.size);
  }
  const parameters = countParameters(tree);
  disposeTree(tree);

  const dataset = createMovingDigits(movingDigitsSpec(config, 'train'));
  const trainStep = createTrainStep(config, network, state.unravel, { eager });
  const seconds: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const batch = upload(makeBatch(dataset, training.batchSize, step), network);
    const start = performance.now();
    trainStep(state, batch);
    seconds.push((performance.now() - start) / 1000);
    disposeTree([batch.data, batch.condition]);
  }
  const stepSeconds = seconds.slice(1).sort((a, b) => a - b)[Math.floor((STEPS - 1) / 2)]!;
  const planned = Math.min(stepSeconds * training.steps, training.maxSeconds ?? Number.POSITIVE_INFINITY);
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const rowsOut: [string, string][] = [
    [
      'clips',
      `[${training.batchSize}, ${network.numFrames}, ${network.height}, ${network.width}, ${network.channels}] (B, F, H, W, C)`,
    ],
    [
      'tokens',
      `${tokens} = ${frames} x ${rows} x ${columns}, of which the middle keeps ${countKept(tokens, objective.keepRatio)} in training`,
    ],
    [
      'attention',
      `[${training.batchSize}, ${network.numHeads}, ${tokens}, ${network.hiddenSize / network.numHeads}] (B, N, L, D), ${network.attention.kind}`,
    ],
    ['classes', `${network.numClasses}`],
    ['parameters', `${parameters.toLocaleString('en')}`],
    ...[...parts].map(([part, size]): [string, string] => [`  ${part}`, size.toLocaleString('en')]),
    [
      'a step',
      `${(1000 * stepSeconds).toFixed(0)} ms (median of ${STEPS - 1}), ${(training.batchSize / stepSeconds).toFixed(0)} clips/s on TensorFlow ${engine.tensorflowVersion}, ${engine.device}`,
    ],
    [
      'training',
      `${training.steps} steps${training.maxSeconds ? ` or ${training.maxSeconds} s` : ''}: about ${formatDuration(planned)}, ${Math.floor(planned / stepSeconds)} steps`,
    ],
    ['memory', `${megabytes(reportMemory().peakResidentBytes)} at its peak`],
    ['a checkpoint', `${megabytes(4 * 4 * parameters)} (parameters, EMA and the optimizer's two moments)`],
  ];
  return rowsOut.map(([name, value]) => `${name.padEnd(22)} ${value}`).join('\n');
}

function formatDuration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
