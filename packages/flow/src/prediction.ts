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

/** The least time that predicted data are divided by, as in JiT's code. Below it N is made as at it. */
const LEAST_TIME = 0.05;

/**
 * The networks as objectives and samplers take them, which give N, made of networks that put out what `predicts` says, [B, ...] like
 * `noisy`. `map` is the objective's. For `velocity` they are the same networks. Throws on another prediction.
 */
export function solutionNetworks(networks: Networks, predicts: Prediction, map: SolutionMap): Networks {
  if (predicts === 'velocity') return networks;
  if (predicts !== 'data') {
    throw new Error(`solutionNetworks: predicts is '${predicts satisfies never}'; expected 'velocity' or 'data'`);
  }
  return { strong: predictData(networks.strong, map), weak: predictData(networks.weak, map) };
}

/** The N with which g(x_t, t, 0) = x_0, (x_0 - A(t, 0) x_t) / B(t, 0), from predicted x_0 (docs/theory.md). */
const predictData =
  (network: Network, map: SolutionMap): Network =>
  (input) =>
    tf.tidy(() => {
      const timestep = tf.maximum(input.timestep, LEAST_TIME);
      const { a, b } = coefficients(map, timestep, tf.zerosLike(timestep));
      const rows = (values: tf.Tensor) => perExample(values, input.noisy.rank);
      return tf.div(tf.sub(network(input), tf.mul(rows(a), input.noisy)), rows(b));
    });
