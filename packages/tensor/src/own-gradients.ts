import type * as tf from '@tensorflow/tfjs-core';

/** Where TensorFlow.js keeps what all its copies and backends share. */
const { _tfGlobals: shared } = globalThis as { _tfGlobals?: Map<string, Map<string, tf.GradConfig>> };

/** The gradients that a program has registered before this package was loaded. */
export const ownGradients: readonly tf.GradConfig[] = [...(shared?.get('gradRegistry')?.values() ?? [])];
