import { createObjective } from '@eflow/flow';
import { keepRatioAt } from '@eflow/video-dit';
import type { RunConfig } from './config.ts';

/** A part of a training whose steps do the same work. */
export interface TrainingStage {
  /** Its first step. */
  firstStep: number;
  /** Its share of the steps, in (0, 1]. */
  share: number;
  /** Share of the tokens that the middle of the network sees. */
  keepRatio: number;
  /** Whether jumps are trained, or the velocity alone. */
  trainsJumps: boolean;
}

/** The stages of a run's training, in their order; those that no step is in are left out. */
export function trainingStages({ objective, training }: Pick<RunConfig, 'objective' | 'training'>): TrainingStage[] {
  const { steps, denseTail } = training;
  const { trainsJumpsAt = () => true } = createObjective(objective);
  const warmup = 'velocityWarmup' in objective ? objective.velocityWarmup : 0;
  const changes = [0, warmup, 1 - denseTail].map((progress) => Math.ceil(progress * steps)).sort((a, b) => a - b);
  const starts = changes
    .filter((step) => step < steps)
    .map((firstStep) => ({
      firstStep,
      keepRatio: keepRatioAt(firstStep / steps, training),
      trainsJumps: trainsJumpsAt(firstStep / steps),
    }))
    .filter((stage, index, all) => {
      const before = all[index - 1];
      return stage.keepRatio !== before?.keepRatio || stage.trainsJumps !== before.trainsJumps;
    });
  return starts.map((stage, index) => ({
    ...stage,
    share: ((starts[index + 1]?.firstStep ?? steps) - stage.firstStep) / steps,
  }));
}
