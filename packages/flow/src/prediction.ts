import * as tf from '@tensorflow/tfjs-core';
import type { Network } from './network.ts';
import type { Networks } from './objective.ts';
import { perExample } from './path.ts';
import { coefficients, type SolutionMap } from './solution-map.ts';

/**
 * What a network puts out: `velocity`, N itself, which is the velocity where s = t; or `data`, where the whole jump to 0 with N
 * ends (JiT: Li and He, arXiv 2511.13720; jumps: pixel MeanFlow, arXiv 2601.22158).
 */
export type Prediction = 'velocity' | 'data';

/** The least time that `data` divides by (JiT's code); below it N is that of a jump from there. */
const LEAST_TIME = 0.05;

/**
 * The networks as objectives and samplers take them, which give N, made of networks that put out what `predicts` says, each
 * [B, ...] like `noisy`; `map` is the objective's. These same networks for `velocity`.
 */
export function solutionNetworks(networks: Networks, predicts: Prediction, map: SolutionMap): Networks {
  if (predicts === 'velocity') return networks;
  return { strong: predictData(networks.strong, map), weak: predictData(networks.weak, map) };
}

/** N = (x_0 - A(t, 0) x_t) / B(t, 0), which g(x_t, t, 0) = x_0 is solved by (docs/theory.md). */
const predictData =
  (network: Network, map: SolutionMap): Network =>
  (input) =>
    tf.tidy(() => {
      const timestep = tf.maximum(input.timestep, LEAST_TIME);
      const { a, b } = coefficients(map, timestep, tf.zerosLike(timestep));
      const rows = (values: tf.Tensor) => perExample(values, input.noisy.rank);
      return tf.div(tf.sub(network(input), tf.mul(rows(a), input.noisy)), rows(b));
    });
