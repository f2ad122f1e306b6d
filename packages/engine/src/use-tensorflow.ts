import { createRequire } from 'node:module';
import { join } from 'node:path';
import { requireOneTfjs, requireVersion } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { ADDON, LIBRARY_LOADER } from './addon.ts';
import { BACKEND } from './compile/binding.ts';
import { registerFuseKernel } from './compile/fuse-kernel.ts';
import { keepOneGpu } from './gpu.ts';
import { loaderWayOut } from './loader.ts';
import { registerNativeKernel } from './native-kernel.ts';
import { registerRandomKernels } from './random-kernels.ts';
import { SetUpError } from './set-up-error.ts';
import { findEngine } from './setup.ts';

type Backend = import('./tfjs-node.ts').NodeJSKernelBackend;

export interface EngineInfo {
  /** Version of the TensorFlow library, such as 2.21.0. */
  readonly tensorflowVersion: string;
  /** Where ops run: 'gpu' if the library has CUDA and finds a device. */
  readonly device: 'cpu' | 'gpu';
  /** Folder of the library in use. */
  readonly library: string;
}

export interface EngineOptions {
  /**
   * Threads that share one op; as many as there are cores unless given, or what TF_NUM_INTRAOP_THREADS says. Small
   * tensors are faster with 1. Fixed once the library is loaded.
   */
  readonly threads?: number;
}

const require = createRequire(import.meta.url);

let engine: EngineInfo | undefined;

/**
 * Makes TensorFlow's own runtime the backend of `@tensorflow/tfjs-core` in this process, and registers the kernels of
 * @eflow/tensor: random draws, fused functions, native ops of packages. Later calls return the same, whatever their
 * options. Uses at most one GPU, takes its memory as needed, and multiplies in full float32. Throws a SetUpError if the engine is not
 * set up or cannot be loaded, and an Error if the process has two copies of tfjs-core or one older than 4, or if `threads` is no
 * positive integer.
 */
export async function useTensorFlow({ threads }: EngineOptions = {}): Promise<EngineInfo> {
  if (engine) return engine;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
    throw new Error(`useTensorFlow: threads is ${threads}; expected an integer of at least 1`);
  }
  requireVersion(tf.version_core);
  if (threads !== undefined) process.env.TF_NUM_INTRAOP_THREADS ??= String(threads);
  const found = findEngine();
  if (!found) {
    throw new SetUpError(
      'TensorFlow is not set up for this user.',
      'Run: npx @eflow/engine setup (a minute, 0.3 GB, once).',
    );
  }
  const warning = keepOneGpu();
  restoreUtilities(require('node:util'));
  const binding = loadAddon(found.addon);
  const { NodeJSKernelBackend } = await import('./tfjs-node.ts');
  const backend = new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu'); // a name by which kernels know that a GPU may be there
  tf.registerBackend(BACKEND, () => backend);
  await tf.setBackend(BACKEND);
  requireOneTfjs();
  registerRandomKernels();
  registerFuseKernel();
  registerNativeKernel();
  engine = { ...describeBackend(), library: found.library };
  if (warning && engine.device === 'gpu') process.emitWarning(warning, { code: 'EFLOW_ONE_GPU' });
  return engine;
}

function loadAddon(folder: string): Backend['binding'] {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'; // warnings and notes of the library off, errors on
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true'; // or the first process takes nearly all of the GPU's memory
  try {
    require(join(folder, LIBRARY_LOADER));
    return require(join(folder, ADDON));
  } catch (error) {
    throw new SetUpError(
      `TensorFlow could not be loaded: ${error instanceof Error ? error.message : error}.`,
      loaderWayOut('Run: npx @eflow/engine setup --force'),
    );
  }
}

/** Functions of `util` that tfjs-node 4.22 calls: Node.js 22 warns of them, 23 removed them. */
function restoreUtilities(util: Record<string, unknown>): void {
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

function describeBackend(): Pick<EngineInfo, 'tensorflowVersion' | 'device'> {
  const { binding, isUsingGpuDevice } = tf.backend() as unknown as Backend;
  return { tensorflowVersion: binding.TF_Version, device: isUsingGpuDevice ? 'gpu' : 'cpu' };
}
