import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { ADDITIVITY_LOSS, additivityTerm } from './additivity.ts';
import { jumpOf } from './draws.ts';
import { guidanceScaleAt } from './guidance.ts';
import { finishLoss, type Objective } from './objective.ts';
import type { ObjectiveKind } from './objective-kind.ts';
import { commonOptions, jumpOptions, logitNormal, mapOption } from './options.ts';
import { VELOCITY_LOSS, velocityTerm } from './residuals.ts';
import { asVelocity, solutionMap, velocityFactor } from './solution-map.ts';
import { targetVelocity } from './target-velocity.ts';
import { MIN_INTERVAL, sampleSortedTimes } from './time-sampler.ts';
import { type TrainedPass, trainedPass } from './trained-pass.ts';
import { drawJumpBatch, trainsJumpsAt, velocityLoss } from './velocity-warmup.ts';

/** MeanFlow's times and guidance (arXiv 2505.13447), which SplitMeanFlow takes over. */
const schema = z.strictObject({
  kind: z.literal('splitMeanFlow'),
  map: mapOption,
  ...commonOptions({
    velocityTime: { mean: -0.4, std: 1 },
    // Our choice: a new network's jumps agree with one another, so that the weight 1 / d^2 would raise their rows a hundredfold
    // over those that learn the velocity, and training diverges.
    weightPower: 0,
  }),
  ...jumpOptions,
  jumpTime: logitNormal(-0.4, 1).describe('the larger of two draws is t of the jump rows, the smaller s'),
});

export const splitMeanFlowKind = {
  kind: 'splitMeanFlow',
  name: 'SplitMeanFlow',
  schema,
  terms: [VELOCITY_LOSS, ADDITIVITY_LOSS],
  learnsJumps: true,
  create: splitMeanFlow,
} satisfies ObjectiveKind<typeof schema>;

/**
 * SplitMeanFlow (arXiv 2507.16884): flow matching in the velocity rows; in the others one long jump against the two short
 * ones that it is split into, t -> m -> s, and nothing else: EFlow's additivity as an objective of its own.
 *
 * Passes: one with gradient on all rows; without gradient one on the velocity rows for v_ref, and two on the jump rows, one
 * after the other.
 */
function splitMeanFlow(options: z.output<typeof schema>): Objective {
  const { map, targetMixRatio: mu } = options;
  return {
    map,
    scheduleAt: (progress) => ({ intervalRatio: 1, guidanceScale: guidanceScaleAt(progress, options) }),

    trainsJumpsAt: (progress) => trainsJumpsAt(progress, options),

    draw: (stream, shape, schedule, trainsJumps = true) =>
      drawJumpBatch(stream, shape, schedule, options, trainsJumps, (part, rows) =>
        sampleSortedTimes(part, rows, { time: options.jumpTime, gap: MIN_INTERVAL }),
      ),

    loss(networks, batch, draws, schedule) {
      if (options.velocityWarmup > 0 && !draws.jump) {
        const reference = (pass: TrainedPass) => pass.strong(pass.withoutCondition);
        return velocityLoss('splitMeanFlow', networks, batch, draws, schedule, options, reference);
      }
      const times = jumpOf('splitMeanFlow', draws);
      const { timestep: t, targetTimestep: s, middleTimestep: m } = times;
      return tf.tidy(() => {
        const pass = trainedPass('splitMeanFlow', networks, batch, draws, options);
        const { strong, noisy, predicted, velocityPart, jumpPart, jumpInput } = pass;
        const own = velocityPart(predicted);
        const reference = () => asVelocity(strong(velocityPart(pass.withoutCondition)), map);
        const { velocity, timestep, plain } = velocityPart({
          velocity: pass.velocity,
          timestep: pass.timestep,
          plain: pass.plain,
        });
        const guidanceScale = pass.guidanceScale ? velocityPart(pass.guidanceScale) : schedule.guidanceScale;
        const target = targetVelocity(
          {
            velocity,
            timestep,
            plain,
            reference: guidanceScale === 1 ? undefined : reference(),
            own: mu < 1 ? stopGradient(() => tf.mul(own, velocityFactor(map))) : undefined,
          },
          guidanceScale,
          options,
        );

        const from = jumpPart(noisy);
        const first = strong(jumpInput(from, t, m));
        const second = strong(jumpInput(solutionMap(from, first, t, m, map), m, s));
        const ofJumps = additivityTerm({ noisy: from, long: jumpPart(predicted), first, second }, times, options);
        const ofVelocity = velocityTerm(own, target, options);
        return finishLoss(
          tf.concat([ofVelocity.lossPerExample, ofJumps.lossPerExample]),
          { velocityLoss: ofVelocity.meanSquare, additivityLoss: ofJumps.meanSquare },
          pass.passes,
        );
      });
    },
  };
}
