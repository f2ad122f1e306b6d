import { loadCheckpoint, readSafetensors, saveCheckpoint } from '@eflow/checkpoint';
import { type AdamWState, adamW, type Schedule, warmupConstant, warmupCosine } from '@eflow/optim';
import type { DataRecord, RunConfig, RunFolder } from '@eflow/run';
import { createStream, disposeTree, ravel, splitStream, type Tree } from '@eflow/tensor';
import { currentParams, emaParams, type GuardState, initState, NEW_GUARD, type TrainState } from '@eflow/train';
import { initFromDiT, initVideoDiT, type VideoDiTConfig, type VideoDiTParams } from '@eflow/video-dit';

/** The learning rate after so many updates. */
export function learningRateSchedule({ optimizer, training }: RunConfig): Schedule {
  const { learningRate, schedule } = optimizer;
  const warmupSteps = Math.min(optimizer.warmupSteps, training.steps - 1); // a trial of a few steps is shorter than the warm-up
  switch (schedule) {
    case 'constant':
      return warmupConstant({ learningRate, warmupSteps });
    case 'cosine':
      return warmupCosine({ learningRate, warmupSteps, totalSteps: training.steps });
  }
}

export function createOptimizer(config: RunConfig) {
  const { betas, weightDecay } = config.optimizer;
  return adamW({ learningRate: learningRateSchedule(config), betas, weightDecay });
}

/** What training changes, and what the weights were trained on; absent for moving digits. */
export interface RunState extends TrainState<VideoDiTParams> {
  data?: DataRecord;
}

const initStream = ({ seed }: RunConfig) => splitStream(createStream(seed), 'init');

/** The state before the first step, from the run's seed. */
export const newState = (config: RunConfig, network: VideoDiTConfig): RunState =>
  startFrom(initVideoDiT(initStream(config), network));

/**
 * The state before the first step, from the run's seed or, with `training.initialWeights`, from those. Throws if they do not
 * fit the network.
 */
export async function firstState(config: RunConfig, network: VideoDiTConfig): Promise<RunState> {
  const file = config.training.initialWeights;
  if (file === undefined) return newState(config, network);
  const { tensors } = await readSafetensors(file);
  const { params, fresh, unused } = initFromDiT(initStream(config), network, tensors);
  const layers = new Set(fresh.map((name) => name.replace(/\.(weight|bias)$/, '')));
  const left = unused.length > 0 ? ` (there is no place for ${unused.join(', ')})` : '';
  console.log(
    `Starting from ${file}: ${tensors.size - unused.length} of its ${tensors.size} tensors${left}; new are ${[...layers].join(', ')}`,
  );
  return startFrom(params);
}

/** The state before the first step. Disposes of the parameters. */
function startFrom(params: VideoDiTParams): RunState {
  const state = initState(params);
  disposeTree(params);
  return state;
}

/** What is kept beside the weights. Draws and samples are functions of the seed and the step: there is no other state. */
type SavedState = { sample: number; guard: GuardState; data?: DataRecord };

/** Writes the state as a checkpoint, every vector as a tree of named tensors. */
export async function saveState(
  folder: RunFolder,
  config: RunConfig,
  state: RunState,
  environment: Record<string, string>,
) {
  const { step, guard, data } = state;
  const trees = {
    params: currentParams(state),
    ema: emaParams(state),
    optimizer: mapMoments(state.weights.optimizer, state.unravel),
  };
  try {
    return await saveCheckpoint(folder.checkpoints, {
      step,
      trees,
      config,
      seed: config.seed,
      environment,
      state: { sample: step * config.training.batchSize, guard, ...(data && { data }) } satisfies SavedState,
    });
  } finally {
    disposeTree(trees);
  }
}

/** The state in the folder of a checkpoint. Throws if it is damaged or of another network. */
export async function loadState(checkpoint: string, config: RunConfig, network: VideoDiTConfig): Promise<RunState> {
  const { weights: fresh, unravel } = newState(config, network);
  const like = unravel(fresh.params);
  const templates = { params: like, ema: like, optimizer: mapMoments(fresh.optimizer, () => like) };
  const { step, trees, state } = await loadCheckpoint(checkpoint, templates);
  const weights = {
    params: ravel(trees.params).vector,
    ema: ravel(trees.ema).vector,
    optimizer: mapMoments(trees.optimizer, (tree) => ravel(tree).vector),
  };
  disposeTree([like, trees, fresh]);
  const { guard = NEW_GUARD, data } = (state ?? {}) as Partial<SavedState>;
  return { step, weights, guard, ...(data && { data }), unravel };
}

/** Both of AdamW's moments, each through `fn`. */
const mapMoments = <In extends Tree, Out extends Tree>(
  { firstMoment, secondMoment }: AdamWState<In>,
  fn: (moment: In) => Out,
): AdamWState<Out> => ({ firstMoment: fn(firstMoment), secondMoment: fn(secondMoment) });
