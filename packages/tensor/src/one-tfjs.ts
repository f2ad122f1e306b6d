import * as tf from '@tensorflow/tfjs-core';

const OLDEST_MAJOR = 4;

/** Throws unless `version` of @tensorflow/tfjs-core will do. */
export function requireVersion(version: string): void {
  if (Number.parseInt(version, 10) >= OLDEST_MAJOR) return;
  throw new Error(
    `@tensorflow/tfjs-core is ${version}; expected ${OLDEST_MAJOR}.0.0 or later: npm install @tensorflow/tfjs-core@${OLDEST_MAJOR}`,
  );
}

const checked = new WeakSet<tf.KernelBackend>();

/**
 * Throws unless this package, the program and the backend in use share one copy of TensorFlow.js, not older than 4: copies are of
 * different versions sooner or later, and what one registers or extends is missing in another. The message names the copies.
 */
export function requireOneTfjs(): void {
  requireVersion(tf.version_core);
  const backend = tf.backend();
  if (checked.has(backend)) return;
  const copies = loadedCopies();
  if (copies.length > 1 || isOfAnotherCopy(backend) || firstTensorClass() !== tf.Tensor) {
    const found = copies.length > 1 ? copies.join(' and ') : `${tf.version_core} and another`;
    throw new Error(
      `Several copies of @tensorflow/tfjs-core are loaded: ${found}. Let there be one: run npm dedupe (pnpm dedupe), or add "overrides": { "@tensorflow/tfjs-core": "${tf.version_core}" } to package.json (with pnpm: to pnpm-workspace.yaml) and install again.`,
    );
  }
  checked.add(backend);
}

/** Whether a backend extends the KernelBackend of another copy, known by its methods: bundlers change names. One that extends nothing is anybody's. */
function isOfAnotherCopy(backend: tf.KernelBackend): boolean {
  if (backend instanceof tf.KernelBackend) return false;
  let base = Object.getPrototypeOf(Object.getPrototypeOf(backend));
  while (base && !Object.hasOwn(base, 'floatPrecision')) base = Object.getPrototypeOf(base);
  return base !== null;
}

/** The class of tensors of the copy that was loaded first; copies share this map. */
const firstTensorClass = () =>
  (globalThis as { _tfGlobals?: Map<string, unknown> })._tfGlobals?.get('Tensor') ?? tf.Tensor;

/** Version and folder of every copy that Node.js has loaded; none elsewhere. */
function loadedCopies(): string[] {
  const module = globalThis.process?.getBuiltinModule?.('node:module');
  const cache = module?.createRequire(import.meta.url).cache ?? {};
  return Object.entries(cache).flatMap(([file, loaded]) => {
    const [, folder] = /^(.*tfjs-core)[\\/]dist[\\/]tf-core\.node\.js$/.exec(file) ?? [];
    return folder ? [`${loaded?.exports.version_core} in ${folder}`] : [];
  });
}
