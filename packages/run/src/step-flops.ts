import { countPasses, createObjective } from '@eflow/flow';
import { countNetwork, type FullVideoDiTConfig } from '@eflow/video-dit';
import type { RunConfig } from './config.ts';
import { trainingStages } from './training-stages.ts';

/**
 * FLOPs of a training step, as `countNetwork` counts them: of the passes that the objective makes with a batch, the mean over the
 * stages of the training. `keepRatio` is the share of tokens that the middle sees: that of each stage unless given.
 */
export function countStepFlops(config: RunConfig, network: FullVideoDiTConfig, keepRatio?: number): number {
  const { data, objective, training } = config;
  return trainingStages(config).reduce((mean, stage) => {
    const ofStage = { keepRatio: keepRatio ?? stage.keepRatio };
    const flops = countPasses(createObjective(objective), training.batchSize, stage).reduce((total, pass) => {
      const count = countNetwork(network, data, { batchSize: pass.rows, ...ofStage });
      if (pass.gradient) return total + count.stepFlops;
      return total + (pass.network === 'weak' ? count.weakFlops : count.forwardFlops);
    }, 0);
    return mean + stage.share * flops;
  }, 0);
}
