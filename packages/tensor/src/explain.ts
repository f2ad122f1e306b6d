import * as tf from '@tensorflow/tfjs-core';

const OLDEST_MAJOR = 4;

/** What TensorFlow.js says where it lacks something, and what to do about it. */
const WAYS_OUT: readonly [said: RegExp, wayOut: (match: RegExpMatchArray) => string][] = [
  [
    /No backend found in registry/,
    () =>
      "TensorFlow.js has no backend. Add import '@tensorflow/tfjs-backend-cpu' (npm install @tensorflow/tfjs-backend-cpu), or call await useTensorFlow() of @eflow/engine, before tensors are made.",
  ],
  [
    /gradient function not found for (\w+)/,
    ([, kernel]) =>
      `TensorFlow.js has no gradient of ${kernel}: tfjs-core alone registers none. Add import '@eflow/tensor/gradients'.`,
  ],
  [
    /Kernel '(\w+)' not registered for backend '([\w-]+)'/,
    ([, kernel, backend]) =>
      `The backend '${backend}' of TensorFlow.js has no op ${kernel}. Choose another with tf.setBackend, such as 'cpu' or 'webgl', or await useTensorFlow() of @eflow/engine.`,
  ],
];

/**
 * Runs `fn`. Where TensorFlow.js only says what it lacks, a backend, a gradient or an op of a backend, this throws an Error that says
 * which import or which backend has it, with TensorFlow.js' own as `cause`. Other errors pass. Throws before `fn` if TensorFlow.js is
 * older than 4.
 */
export function explain<T>(fn: () => T): T {
  requireVersion(tf.version_core);
  try {
    return fn();
  } catch (error) {
    const said = error instanceof Error ? error.message : '';
    for (const [pattern, wayOut] of WAYS_OUT) {
      const match = said.match(pattern);
      if (match) throw new Error(wayOut(match), { cause: error });
    }
    throw error;
  }
}

/** Throws unless `version` of @tensorflow/tfjs-core will do. */
export function requireVersion(version: string): void {
  if (Number.parseInt(version, 10) >= OLDEST_MAJOR) return;
  throw new Error(
    `@tensorflow/tfjs-core is ${version}; expected ${OLDEST_MAJOR}.0.0 or later: npm install @tensorflow/tfjs-core@${OLDEST_MAJOR}`,
  );
}
