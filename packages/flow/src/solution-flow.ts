import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { ADDITIVITY_LOSS, additivityTerm } from './additivity.ts';
import { jumpOf } from './draws.ts';
import { guidanceScaleAt } from './guidance.ts';
import { callTogether, finishLoss, type Objective, type ObjectiveBatch } from './objective.ts';
import type { ObjectiveKind, Term } from './objective-kind.ts';
import { commonOptions, jumpOptions, logitNormal, mapOption } from './options.ts';
import { perExample } from './path.ts';
import { meanSquare, type ResidualLoss, solutionSurrogate, VELOCITY_LOSS, velocityTerm } from './residuals.ts';
import { differenceQuotient, solutionMap } from './solution-map.ts';
import { passTarget } from './target-velocity.ts';
import { intervalRatio, sampleSolutionTimes } from './time-sampler.ts';
import { type TrainedPass, trainedPass } from './trained-pass.ts';
import { drawJumpBatch, trainsJumpsAt, velocityLoss } from './velocity-warmup.ts';

const SOLUTION_LOSS = { name: 'solutionLoss', short: 'sol', label: 'Solution map' } as const satisfies Term;

const ratio = z.number().gt(0).max(1);

/** SoFlow's published values for ImageNet (arXiv 2512.15657). */
const solutionOptions = {
  map: mapOption,
  ...jumpOptions,
  solutionTime: logitNormal(0.2, 0.8).describe('t of the solution rows'),
  targetTime: logitNormal(-1, 0.8).describe('s of the solution rows'),
  intervalRatio: z
    .strictObject({ start: ratio.default(0.1), end: ratio.default(0.002) })
    .prefault({})
    .describe('distance of t and l as a share of that of t and s, over the training'),
};

const solutionFlowSchema = z.strictObject({
  kind: z.literal('solutionFlow'),
  ...commonOptions(),
  ...solutionOptions,
});

/**
 * SoFlow's values, SPRINT's share of dropped paths (arXiv 2510.21986). Our choice: the additivity weight, and that no row of the
 * strong path loses its condition: guidance asks the weak path alone what there is without one (docs/decisions/0016).
 */
const eflowSchema = z.strictObject({
  kind: z.literal('eflow'),
  ...commonOptions({ classDropoutProb: 0, pathDropProb: 0.1 }),
  ...solutionOptions,
  guidanceReference: z
    .enum(['weak-path', 'unconditional'])
    .default('weak-path')
    .describe('path-drop guidance, about a third of a pass; or a full pass without the condition, as SoFlow has it'),
  weakCondition: z
    .enum(['null', 'same'])
    .default('null')
    .describe('whether the weak path, as a reference and where it is trained, sees the condition'),
  additivityWeight: z
    .number()
    .min(0)
    .default(0.1)
    .describe('lambda of mean-velocity additivity; 0 leaves it and its two passes out'),
});

type Options = Omit<z.output<typeof eflowSchema>, 'kind'>;

/**
 * SoFlow (arXiv 2512.15657): flow matching in the velocity rows and, in the others, g(x_t, t, s) against g(x_l, l, s), one
 * small step along v* nearer to the data. Its guidance takes a full pass without the condition.
 *
 * Passes with mu < 1: one with gradient on all rows; without gradient one on all rows for v_ref, and two on the solution rows.
 */
export const solutionFlowKind = {
  kind: 'solutionFlow',
  name: 'SoFlow',
  schema: solutionFlowSchema,
  terms: [VELOCITY_LOSS, SOLUTION_LOSS],
  learnsJumps: true,
  create: (options) =>
    createSolutionFlow('solutionFlow', {
      ...options,
      guidanceReference: 'unconditional',
      weakCondition: 'null',
      additivityWeight: 0,
    }),
} satisfies ObjectiveKind<typeof solutionFlowSchema>;

/**
 * EFlow (arXiv 2603.27086): SoFlow's loss with path-drop guidance in place of a full pass (`guidanceReference`), and with
 * mean-velocity additivity, g(x_t, t, s) against the two short jumps t -> m -> s (`additivityWeight`); each has its switch.
 *
 * Passes with the defaults: one with gradient on all rows; without gradient the weak path on all rows, and four on the
 * solution rows, two calls of two together (two where lambda is 0; one fewer where mu is 1).
 */
export const eflowKind = {
  kind: 'eflow',
  name: 'EFlow',
  schema: eflowSchema,
  terms: [VELOCITY_LOSS, SOLUTION_LOSS, ADDITIVITY_LOSS],
  learnsJumps: true,
  create: (options) => createSolutionFlow('eflow', options),
} satisfies ObjectiveKind<typeof eflowSchema>;

function createSolutionFlow(name: string, options: Options): Objective {
  const { map, targetMixRatio: mu, additivityWeight: lambda } = options;
  /** The pass for v_ref, on all rows. */
  const reference = ({ weak, strong, noisy, timestep, ...pass }: TrainedPass, { nullCondition }: ObjectiveBatch) => {
    if (options.guidanceReference !== 'weak-path') return strong(pass.withoutCondition);
    const condition = options.weakCondition === 'null' ? nullCondition : pass.condition;
    return weak({ noisy, timestep, targetTimestep: timestep, condition, ...pass.unguided });
  };
  return {
    map,
    scheduleAt: (progress) => ({
      intervalRatio: intervalRatio(progress, options.intervalRatio),
      guidanceScale: guidanceScaleAt(progress, options),
    }),

    trainsJumpsAt: (progress) => trainsJumpsAt(progress, options),

    draw: (stream, shape, schedule, trainsJumps = true) =>
      drawJumpBatch(stream, shape, schedule, options, trainsJumps, (part, rows) =>
        sampleSolutionTimes(part, rows, {
          time: options.solutionTime,
          targetTime: options.targetTime,
          ratio: schedule.intervalRatio,
        }),
      ),

    loss(networks, batch, draws, schedule) {
      if (options.velocityWarmup > 0 && !draws.jump) {
        return velocityLoss(name, networks, batch, draws, schedule, options, (pass) => reference(pass, batch));
      }
      const times = jumpOf(name, draws);
      const { timestep: t, targetTimestep: s, nearTimestep: l, middleTimestep: m } = times;
      return tf.tidy(() => {
        const pass = trainedPass(name, networks, batch, draws, options);
        const { strong, noisy, predicted, velocityPart, jumpPart, jumpInput } = pass;
        const from = jumpPart(noisy);

        // Off the tape, from x_t: the network's own velocity, and the first short jump.
        const { own, first } = callTogether(strong, {
          own: mu < 1 ? jumpInput(from, t, t) : undefined,
          first: lambda > 0 ? jumpInput(from, t, m) : undefined,
        });
        const ofReference = { own, reference: () => reference(pass, batch) };
        const target = passTarget(pass, ofReference, schedule.guidanceScale, options);

        // From x_l, one small step along v* nearer to the data, to s; and the second short jump.
        const velocity = jumpPart(target);
        const near = tf.add(from, tf.mul(perExample(tf.sub(l, t), from.rank), velocity));
        const middle = first && solutionMap(from, first, t, m, map);
        const { predictionL, second } = callTogether(strong, {
          predictionL: jumpInput(near, l, s),
          second: middle && jumpInput(middle, m, s),
        });

        const predictionT = jumpPart(predicted);
        const ofVelocity = velocityTerm(velocityPart(predicted), velocityPart(target), options);
        const ofSolution = solutionTerm({ noisy: from, velocity, predictionT, predictionL }, times, options);
        const ofAdditivity =
          first && second && additivityTerm({ noisy: from, long: predictionT, first, second }, times, options);
        const ofJumps = ofAdditivity
          ? tf.add<tf.Tensor1D>(ofSolution.lossPerExample, tf.mul(ofAdditivity.lossPerExample, lambda))
          : ofSolution.lossPerExample;
        return finishLoss(
          tf.concat([ofVelocity.lossPerExample, ofJumps]),
          {
            velocityLoss: ofVelocity.meanSquare,
            solutionLoss: ofSolution.meanSquare,
            ...(ofAdditivity && { additivityLoss: ofAdditivity.meanSquare }),
          },
          pass.passes,
        );
      });
    },
  };
}

/** L_sol: SoFlow's surrogate of how fast the end of the jump moves with its start. */
function solutionTerm(
  values: Parameters<typeof differenceQuotient>[0],
  times: Parameters<typeof differenceQuotient>[1],
  options: Options,
): ResidualLoss {
  const quotient = stopGradient(() => differenceQuotient(values, times, options.map));
  return {
    lossPerExample: solutionSurrogate(values.predictionT, quotient, options),
    meanSquare: meanSquare(quotient),
  };
}
