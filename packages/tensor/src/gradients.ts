/**
 * The gradients of TensorFlow.js' ops. `@tensorflow/tfjs-core` registers none by itself, and its module that does so loads in bundlers
 * alone, not in Node.js: the build bundles that module here. From sources the whole of `@tensorflow/tfjs` registers them.
 */
import * as tf from '@tensorflow/tfjs-core'; // first: what is bundled shares its engine and registries
import { ownGradients } from './own-gradients.ts';
import '@tensorflow/tfjs';

for (const config of ownGradients) tf.registerGradient(config);

/**
 * The gradients of `fn` with respect to `xs`, pulled back from `dy`, or from 1 if there is none; null for an x that takes no part.
 * The caller owns them.
 */
export const gradients = <T extends tf.Tensor>(fn: () => T, xs: tf.Tensor[], dy?: T): (tf.Tensor | null)[] =>
  tf.engine().gradients(fn, xs, dy, true).grads;
