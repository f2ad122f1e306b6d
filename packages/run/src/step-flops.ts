import { countPasses, createObjective } from '@eflow/flow';
import { countNetwork, type FullVideoDiTConfig } from '@eflow/video-dit';
import type { RunConfig } from './config.ts';

/**
 * FLOPs of one training step, as `countNetwork` counts them: of the passes that the objective makes with a batch. `keepRatio`
 * is the share of tokens that the middle sees.
 */
export function countStepFlops(
  { data, objective, training }: RunConfig,
  network: FullVideoDiTConfig,
  keepRatio: number,
): number {
  return countPasses(createObjective(objective), training.batchSize).reduce((total, pass) => {
    const count = countNetwork(network, data, { batchSize: pass.rows, keepRatio });
    if (pass.gradient) return total + count.stepFlops;
    return total + (pass.network === 'weak' ? count.weakFlops : count.forwardFlops);
  }, 0);
}
