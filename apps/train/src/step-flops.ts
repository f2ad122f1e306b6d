import { splitRows } from '@eflow/flow';
import type { RunConfig } from '@eflow/run';
import { countNetwork, type VideoDiTConfig } from '@eflow/video-dit';

/**
 * FLOPs of one training step, as `countNetwork` counts them: of the passes that `eflowLoss` makes with a batch, one of them
 * with its gradient. `keepRatio` is the share of tokens that the middle sees.
 */
export function countStepFlops({ data, objective, training }: RunConfig, network: VideoDiTConfig, keepRatio: number) {
  const { batchSize } = training;
  const { solutionRows } = splitRows(batchSize, objective.velocityRatio);
  const count = (rows: number) => countNetwork(network, data, { batchSize: rows, keepRatio });
  const { stepFlops, forwardFlops, weakFlops } = count(batchSize);
  const withoutGradient = [
    objective.targetMixRatio < 1 ? forwardFlops : 0,
    objective.guidanceScale === 1 ? 0 : weakFlops,
    ...(objective.additivityWeight > 0 ? [2 * solutionRows, solutionRows] : [solutionRows]).map(
      (rows) => count(rows).forwardFlops,
    ),
  ];
  return withoutGradient.reduce((total, flops) => total + flops, stepFlops);
}
