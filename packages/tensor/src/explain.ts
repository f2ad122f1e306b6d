import { requireOneTfjs } from './one-tfjs.ts';

/** What TensorFlow.js says where it lacks something, and what to do about it. */
const WAYS_OUT: readonly [said: RegExp, wayOut: (match: RegExpMatchArray) => string][] = [
  [
    /^No backend found in registry/,
    () =>
      "TensorFlow.js has no backend. Before tensors are made, add import '@tensorflow/tfjs-backend-cpu' (npm install @tensorflow/tfjs-backend-cpu), or call await useTensorFlow() of @eflow/engine.",
  ],
  [
    /gradient function not found for (\w+)/,
    ([, kernel]) =>
      `TensorFlow.js has no gradient of ${kernel}. Compute the same with other ops, or give it one by tf.customGrad or tf.registerGradient.`,
  ],
  [
    /^Kernel '(\w+)' not registered for backend '([\w-]+)'/,
    ([, kernel, backend]) =>
      `The backend '${backend}' of TensorFlow.js has no op ${kernel}. Choose a backend that has it: await tf.setBackend('cpu') or 'webgl', once imported, or await useTensorFlow() of @eflow/engine.`,
  ],
];

/**
 * Runs `fn`. Where TensorFlow.js only says what it lacks, a backend, a gradient or an op of a backend, this throws an Error that says
 * what to import or to choose, with TensorFlow.js' own as `cause`. Other errors pass. Throws before `fn` if TensorFlow.js is older
 * than 4, or loaded in several copies.
 */
export function explain<T>(fn: () => T): T {
  try {
    requireOneTfjs();
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
