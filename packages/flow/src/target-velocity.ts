import { stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { guidedVelocity } from './guidance.ts';
import type { GuidanceOptions } from './options.ts';
import { selectRows } from './rows.ts';
import { asVelocity, type SolutionMap } from './solution-map.ts';
import type { TrainedPass } from './trained-pass.ts';

/** What the velocity is trained on, row by row; velocities and predictions [R, ...]. */
export interface TargetVelocity {
  /** v, of the path. */
  velocity: tf.Tensor;
  /** [R] */
  timestep: tf.Tensor;
  /** v_ref, the weaker prediction; absent: no guidance. */
  reference?: tf.Tensor;
  /** N(x_t, t, t, c) as a velocity, where mu < 1. */
  own?: tf.Tensor;
  /** Rows without condition or path, whose target is the plain v: [R] bool. */
  plain: tf.Tensor;
}

/**
 * v* = mu v_cfg + (1 - mu) sg N(x_t, t, t, c) with v_cfg = v + k(t) (omega - 1)(v - v_ref); v in the plain rows (SoFlow,
 * arXiv 2512.15657). omega is one for all rows, or [R]. A constant, [R, ...], owned by the caller.
 */
export function targetVelocity(
  { velocity, timestep, reference, own, plain }: TargetVelocity,
  guidanceScale: number | tf.Tensor,
  { targetMixRatio: mu }: Pick<GuidanceOptions, 'targetMixRatio'>,
): tf.Tensor {
  return stopGradient(() => {
    const guided = reference ? guidedVelocity(velocity, reference, timestep, guidanceScale) : velocity;
    const mixed = own ? tf.add(tf.mul(guided, mu), tf.mul(own, 1 - mu)) : guided;
    return mixed === velocity ? tf.clone(velocity) : selectRows('targetVelocity', plain, { velocity, mixed });
  });
}

/**
 * v* of all rows of a trained pass, [B, ...]. `own` is N(x_t, t, t, c) of the jump rows, where mu < 1: in the velocity rows the
 * trained pass is the network's own already. `reference` makes the pass for v_ref, N of all rows, and is called unless the guidance
 * scale is the number 1. The pass's own scales, row by row, come before that of the schedule.
 */
export function passTarget(
  pass: TrainedPass,
  { own, reference }: { own: tf.Tensor | undefined; reference: () => tf.Tensor },
  scheduled: number | tf.Scalar,
  options: Pick<GuidanceOptions, 'targetMixRatio'> & { map: SolutionMap },
): tf.Tensor {
  const guidanceScale = pass.guidanceScale ?? scheduled;
  const { velocity, timestep, plain, predicted, velocityPart } = pass;
  const ownOfAll = () => asVelocity(tf.concat([velocityPart(predicted), own!]), options.map);
  return targetVelocity(
    {
      velocity,
      timestep,
      plain,
      reference: guidanceScale === 1 ? undefined : asVelocity(reference(), options.map),
      own: own && stopGradient(ownOfAll),
    },
    guidanceScale,
    options,
  );
}
