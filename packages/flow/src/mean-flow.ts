import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { jumpOf } from './draws.ts';
import { guidanceScaleAt } from './guidance.ts';
import { callTogether, finishLoss, type Objective } from './objective.ts';
import type { ObjectiveKind } from './objective-kind.ts';
import { commonOptions, jumpOptions, logitNormal, positive } from './options.ts';
import { perExample } from './path.ts';
import { meanSquare, VELOCITY_LOSS, velocityTerm, weightedSquare } from './residuals.ts';
import { passTarget } from './target-velocity.ts';
import { sampleSortedTimes } from './time-sampler.ts';
import { type TrainedPass, trainedPass } from './trained-pass.ts';
import { drawJumpBatch, trainsJumpsAt, velocityLoss } from './velocity-warmup.ts';

/** MeanFlow's values for ImageNet (arXiv 2505.13447, table 4); the step of the difference is TiM's (arXiv 2509.04394). */
const schema = z.strictObject({
  kind: z.literal('meanFlow'),
  ...commonOptions({ velocityTime: { mean: -0.4, std: 1 } }),
  ...jumpOptions,
  jumpTime: logitNormal(-0.4, 1).describe('the larger of two draws is t of the jump rows, the smaller s'),
  differenceStep: positive
    .lt(1 / 3)
    .default(0.005)
    .describe('half of what t is moved by for du/dt'),
});

export const meanFlowKind = {
  kind: 'meanFlow',
  name: 'MeanFlow',
  schema,
  terms: [VELOCITY_LOSS, { name: 'meanVelocityLoss', short: 'mean', label: 'MeanFlow identity' }],
  learnsJumps: true,
  create: meanFlow,
} satisfies ObjectiveKind<typeof schema>;

/**
 * MeanFlow (Geng et al., arXiv 2505.13447): the mean velocity against sg(v* - (t - s) du/dt), in Euler form. du/dt along
 * the path is a Jacobian-vector product there; TensorFlow.js has no forward-mode derivative, so it is a central difference
 * here, (u(x_t + h v*, t + h, s) - u(x_t - h v*, t - h, s)) / 2h, exact up to h^2. v* is guided as SoFlow's is, which is
 * MeanFlow's own form: its omega is mu omega here and its kappa 1 - mu.
 *
 * Passes with mu < 1: one with gradient on all rows; without gradient one on all rows for v_ref, and three on the jump rows.
 */
function meanFlow(spec: z.output<typeof schema>): Objective {
  const { targetMixRatio: mu, differenceStep: h } = spec;
  const options = { ...spec, map: 'euler' as const };
  return {
    map: options.map,
    scheduleAt: (progress) => ({ intervalRatio: 1, guidanceScale: guidanceScaleAt(progress, options) }),

    trainsJumpsAt: (progress) => trainsJumpsAt(progress, options),

    draw: (stream, shape, schedule, trainsJumps = true) =>
      drawJumpBatch(stream, shape, schedule, options, trainsJumps, (part, rows) =>
        sampleSortedTimes(part, rows, { time: options.jumpTime, gap: h }),
      ),

    loss(networks, batch, draws, schedule) {
      if (options.velocityWarmup > 0 && !draws.jump) {
        const reference = (pass: TrainedPass) => pass.strong(pass.withoutCondition);
        return velocityLoss('meanFlow', networks, batch, draws, schedule, options, reference);
      }
      const { timestep: t, targetTimestep: s } = jumpOf('meanFlow', draws);
      return tf.tidy(() => {
        const pass = trainedPass('meanFlow', networks, batch, draws, options);
        const { strong, noisy, predicted, velocityPart, jumpPart, jumpInput } = pass;
        const from = jumpPart(noisy);
        const own = mu < 1 ? strong(jumpInput(from, t, t)) : undefined;
        const reference = () => strong(pass.withoutCondition);
        const target = passTarget(pass, { own, reference }, schedule.guidanceScale, options);

        const velocity = jumpPart(target);
        const moved = (by: number) => jumpInput(tf.add(from, tf.mul(velocity, by)), tf.add(t, by), s);
        const { later, earlier } = callTogether(strong, { later: moved(h), earlier: moved(-h) });
        const derivative = tf.div(tf.sub(later, earlier), 2 * h);
        const jumpTarget = tf.sub(velocity, tf.mul(perExample(tf.sub(t, s), from.rank), derivative));

        const residual = tf.sub(jumpPart(predicted), jumpTarget);
        const ofVelocity = velocityTerm(velocityPart(predicted), velocityPart(target), options);
        return finishLoss(
          tf.concat([ofVelocity.lossPerExample, weightedSquare(residual, options)]),
          { velocityLoss: ofVelocity.meanSquare, meanVelocityLoss: meanSquare(residual) },
          pass.passes,
        );
      });
    },
  };
}
