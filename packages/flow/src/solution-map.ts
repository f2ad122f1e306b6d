import * as tf from '@tensorflow/tfjs-core';
import { perExample, QUARTER } from './path.ts';

/**
 * The form of the solution map g(x_t, t, s) = A(t, s) x_t + B(t, s) N(x_t, t, s), which carries x_t from time t to time s
 * (SoFlow, arXiv 2512.15657): `euler`, A = 1 and B = s - t, so that N is the mean velocity from t to s; `trigonometric`,
 * A = cos(pi/2 (s - t)) and B = sin(pi/2 (s - t)). In both g(x, t, t) = x by construction.
 */
export type SolutionMap = 'euler' | 'trigonometric';

export const SOLUTION_MAPS = ['euler', 'trigonometric'] as const satisfies readonly SolutionMap[];

/** A(t, s) and B(t, s), [B] each, of t and s [B]. */
export function coefficients(
  map: SolutionMap,
  timestep: tf.Tensor,
  targetTimestep: tf.Tensor,
): { a: tf.Tensor; b: tf.Tensor } {
  const interval = tf.sub(targetTimestep, timestep);
  switch (map) {
    case 'euler':
      return { a: tf.onesLike(interval), b: interval };
    case 'trigonometric': {
      const angle = tf.mul(interval, QUARTER);
      return { a: tf.cos(angle), b: tf.sin(angle) };
    }
  }
}

/**
 * g(x_t, t, s) from `prediction`, N(x_t, t, s): both [B, ...] like `noisy`; t and s [B] in [0, 1]. The caller owns the result.
 */
export function solutionMap(
  noisy: tf.Tensor,
  prediction: tf.Tensor,
  timestep: tf.Tensor,
  targetTimestep: tf.Tensor,
  map: SolutionMap = 'euler',
): tf.Tensor {
  return tf.tidy(() => {
    if (map === 'euler') {
      return tf.add(noisy, tf.mul(perExample(tf.sub(targetTimestep, timestep), noisy.rank), prediction));
    }
    const { a, b } = coefficients(map, timestep, targetTimestep);
    return tf.add(tf.mul(perExample(a, noisy.rank), noisy), tf.mul(perExample(b, noisy.rank), prediction));
  });
}

/**
 * dB/ds at s = t, the factor from N(x, t, t) to the velocity at t: since dA/ds is 0 there, v = factor * N. 1 for `euler`,
 * pi/2 for `trigonometric`.
 */
export const velocityFactor = (map: SolutionMap): number => (map === 'euler' ? 1 : QUARTER);

/** The velocity at t that N(x, t, t) [B, ...] stands for: the same tensor where the factor is 1. */
export const asVelocity = (prediction: tf.Tensor, map: SolutionMap): tf.Tensor =>
  map === 'euler' ? prediction : tf.mul(prediction, velocityFactor(map));

/**
 * (g(x_t, t, s) - g(x_l, l, s)) / (t - l) with x_l = x_t + v (l - t): how fast the end of the jump moves with its start
 * (SoFlow, arXiv 2512.15657, section 4). s <= l < t, [B] each; noisy x_t, velocity v, predictionT = N(x_t, t, s) and
 * predictionL = N(x_l, l, s), [B, ...] each. The caller owns the result.
 *
 * Written out by its terms, A' x_t + A(l, s) v + B' N_t + B(l, s) (N_t - N_l) / (t - l), where A' and B' are the difference
 * quotients of A(., s) and B(., s): x_t leaves the difference before it is divided by a small t - l. What float32 rounds in
 * N_t - N_l is divided by it still.
 */
export function differenceQuotient(
  {
    noisy,
    velocity,
    predictionT,
    predictionL,
  }: Record<'noisy' | 'velocity' | 'predictionT' | 'predictionL', tf.Tensor>,
  { timestep, nearTimestep, targetTimestep }: Record<'timestep' | 'nearTimestep' | 'targetTimestep', tf.Tensor>,
  map: SolutionMap = 'euler',
): tf.Tensor {
  return tf.tidy(() => {
    const rows = (values: tf.Tensor) => perExample(values, noisy.rank);
    const gap = tf.sub(timestep, nearTimestep);
    const { a, b } = coefficients(map, nearTimestep, targetTimestep);
    const moved = tf.mul(rows(tf.div(b, gap)), tf.sub(predictionT, predictionL));
    if (map === 'euler') return tf.addN([velocity, tf.neg(predictionT), moved]);
    // cos p - cos q and sin p - sin q as products; sin(h) / h with h half the angle from l to t.
    const half = tf.mul(gap, QUARTER / 2);
    const slope = tf.mul(tf.div(tf.sin(half), half), QUARTER);
    const middle = tf.mul(tf.sub(targetTimestep, tf.mul(tf.add(timestep, nearTimestep), 0.5)), QUARTER);
    return tf.addN([
      tf.mul(rows(tf.mul(tf.sin(middle), slope)), noisy),
      tf.mul(rows(a), velocity),
      tf.mul(rows(tf.neg(tf.mul(tf.cos(middle), slope))), predictionT),
      moved,
    ]);
  });
}

/**
 * (g(x_t, t, s) - g(x_m, m, s)) / (t - s) with x_m = g(x_t, t, m): the semigroup defect of one long jump against two short
 * ones, per unit of time. s <= m <= t and s < t, [B] each; noisy x_t, long = N(x_t, t, s), first = N(x_t, t, m) and
 * second = N(x_m, m, s), [B, ...] each. The caller owns the result.
 *
 * In Euler form this is mean-velocity additivity, ((t - m) first + (m - s) second) / (t - s) - long (EFlow, arXiv 2603.27086,
 * lemma 1). x_t is taken out of the difference before it is divided: it cancels in Euler form,
 * and A(t, s) - A(m, s) A(t, m) = -B(t, m) B(m, s) in trigonometric form.
 */
export function semigroupDefect(
  { noisy, long, first, second }: Record<'noisy' | 'long' | 'first' | 'second', tf.Tensor>,
  { timestep, middleTimestep, targetTimestep }: Record<'timestep' | 'middleTimestep' | 'targetTimestep', tf.Tensor>,
  map: SolutionMap = 'euler',
): tf.Tensor {
  return tf.tidy(() => {
    const interval = tf.sub(timestep, targetTimestep);
    const share = (values: tf.Tensor) => perExample(tf.div(values, interval), noisy.rank);
    const whole = coefficients(map, timestep, targetTimestep);
    const start = coefficients(map, timestep, middleTimestep);
    const end = coefficients(map, middleTimestep, targetTimestep);
    const terms = [
      tf.mul(share(whole.b), long),
      tf.mul(share(tf.neg(tf.mul(end.a, start.b))), first),
      tf.mul(share(tf.neg(end.b)), second),
    ];
    if (map === 'trigonometric') terms.push(tf.mul(share(tf.neg(tf.mul(start.b, end.b))), noisy));
    return tf.addN(terms);
  });
}
