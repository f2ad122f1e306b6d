import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { drawBatch } from './draws.ts';
import { finishLoss, type Objective } from './objective.ts';
import type { ObjectiveKind } from './objective-kind.ts';
import { commonOptions, mapOption } from './options.ts';
import { VELOCITY_LOSS, velocityTerm } from './residuals.ts';
import { trainedPass } from './trained-pass.ts';

const schema = z.strictObject({
  kind: z.literal('flowMatching'),
  // It gives the prediction its form at sampling; here it scales N to a velocity.
  map: mapOption,
  ...commonOptions(),
});

export const flowMatchingKind = {
  kind: 'flowMatching',
  name: 'flow matching',
  schema,
  terms: [VELOCITY_LOSS],
  learnsJumps: false,
  create: flowMatching,
} satisfies ObjectiveKind<typeof schema>;

/**
 * Flow matching (Lipman et al., arXiv 2210.02747): N(x_t, t, t, c) against the velocity of the path, in every row; guidance
 * comes in when sampling. Rows whose path is dropped train the weak path, which has no condition (SPRINT, arXiv
 * 2510.21986). One pass with gradient.
 */
function flowMatching(options: z.output<typeof schema>): Objective {
  return {
    map: options.map,
    scheduleAt: () => ({ intervalRatio: 1, guidanceScale: 1 }),
    draw: (stream, shape) => drawBatch(stream, shape, shape[0]!, options),
    loss: (networks, batch, draws) =>
      tf.tidy(() => {
        const { passes, predicted, velocity } = trainedPass('flowMatching', networks, batch, draws, options);
        const { lossPerExample, meanSquare } = velocityTerm(predicted, velocity, options);
        return finishLoss(lossPerExample, { velocityLoss: meanSquare }, passes);
      }),
  };
}
