import { type findLatestCheckpoint, loadCheckpoint, readSafetensors, saveCheckpoint } from '@eflow/checkpoint';
import { adamW, muon, type Optimizer, type Schedule, warmupConstant, warmupCosine } from '@eflow/optim';
import type { DataRecord, RunConfig, RunFolder } from '@eflow/run';
import { cloneTree, createStream, disposeTree, ravel, splitStream, type Tree } from '@eflow/tensor';
import { currentParams, emaParams, type GuardState, initState, NEW_GUARD, type TrainState } from '@eflow/train';
import { hiddenMatrices, initFromDiT, initVideoDiT, type VideoDiTConfig, type VideoDiTParams } from '@eflow/video-dit';

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

export function createOptimizer(config: RunConfig, network: VideoDiTConfig): Optimizer {
  const { optimizer } = config;
  const learningRate = learningRateSchedule(config);
  switch (optimizer.kind) {
    case 'adamw': {
      const { betas, weightDecay } = optimizer;
      return adamW({ learningRate, betas, weightDecay });
    }
    case 'muon': {
      const { momentum, weightDecay, betas } = optimizer;
      return muon({ learningRate, momentum, weightDecay, betas, matrices: hiddenMatrices(network) });
    }
  }
}

/** What training changes, and what the weights were trained on; absent for moving digits. */
export interface RunState extends TrainState<VideoDiTParams> {
  data?: DataRecord;
}

const initStream = ({ seed }: RunConfig) => splitStream(createStream(seed), 'init');

/** The state before the first step, from the run's seed. */
export const newState = (config: RunConfig, network: VideoDiTConfig): RunState =>
  startFrom(initVideoDiT(initStream(config), network), config, network);

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
  return startFrom(params, config, network);
}

/** The state before the first step. Disposes of the parameters. */
function startFrom(params: VideoDiTParams, config: RunConfig, network: VideoDiTConfig): RunState {
  const state = initState(params, createOptimizer(config, network));
  disposeTree(params);
  return state;
}

/** A checkpoint as `findLatestCheckpoint` gives it. */
type ValidCheckpoint = NonNullable<Awaited<ReturnType<typeof findLatestCheckpoint>>['latest']>;

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
    optimizer: mapMoments(config, state.weights.optimizer, state.unravel),
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

/** The state in a checkpoint. Throws if it is damaged, of another network, or of another kind of optimizer. */
export async function loadState(
  checkpoint: ValidCheckpoint,
  config: RunConfig,
  network: VideoDiTConfig,
): Promise<RunState> {
  checkOptimizerKind(checkpoint, config);
  const { weights: fresh, unravel } = newState(config, network);
  const like = unravel(fresh.params);
  const templates = { params: like, ema: like, optimizer: mapMoments(config, fresh.optimizer, () => cloneTree(like)) };
  const { step, trees, state } = await loadCheckpoint(checkpoint.folder, templates);
  const weights = {
    params: ravel(trees.params).vector,
    ema: ravel(trees.ema).vector,
    optimizer: mapMoments(config, trees.optimizer, (tree) => ravel(tree).vector),
  };
  disposeTree([trees, templates, fresh]);
  const { guard = NEW_GUARD, data } = (state ?? {}) as Partial<SavedState>;
  return { step, weights, guard, ...(data && { data }), unravel };
}

/** Throws if the checkpoint holds another optimizer's state than the config's. */
function checkOptimizerKind({ folder, manifest }: ValidCheckpoint, { optimizer: { kind } }: RunConfig): void {
  const { kind: saved = 'adamw' } = (manifest.config as { optimizer: { kind?: string } }).optimizer; // earlier configs had no kind
  if (saved === kind) return;
  throw new Error(
    `optimizer.kind is ${kind}, and ${folder} was trained with ${saved}, whose moments ${kind} cannot go on with: set optimizer.kind=${saved}, or train anew in another folder (--out)`,
  );
}

/**
 * The optimizer's state, a tree of its own, with AdamW's moments through `fn`: in training each is one vector, in checkpoints a tree of named
 * tensors. Muon's state is the same in both.
 */
function mapMoments<Moment extends Tree>({ optimizer }: RunConfig, state: Tree, fn: (moment: Moment) => Tree): Tree {
  if (optimizer.kind === 'muon') return cloneTree(state);
  const moments = Object.entries(state as Record<string, Moment>);
  return Object.fromEntries(moments.map(([name, moment]) => [name, fn(moment)]));
}
