import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { ADDON } from './addon.ts';
import { bfloat16Support, cpuFlags } from './bfloat16.ts';
import { cacheFolder } from './cache.ts';
import { compilerCommand } from './compiler.ts';
import { listNativeLibraries } from './native-library.ts';
import { findPip } from './pip.ts';
import { describeMachine, freeDiskBytes, requireMachine, toGigabytes } from './platform.ts';
import { runProcess } from './run-process.ts';
import { SetUpError } from './set-up-error.ts';
import { findEngine } from './setup.ts';
import { useTensorFlow } from './use-tensorflow.ts';

interface Finding {
  readonly name: string;
  readonly found: string;
  /** What to do; present if something needed is missing. */
  readonly wayOut?: string;
}

/** What the engine needs and what of it this machine has, as a table; unhealthy if something needed is missing. */
export async function runDoctor(): Promise<{ table: string; healthy: boolean }> {
  const engine = await attempt(() => findEngine());
  const isSetUp = typeof engine === 'object';
  const findings = [
    checkMachine(),
    ...(await Promise.all([checkCompiler(isSetUp), checkPip(isSetUp), checkDisk(), checkGpu()])),
    checkCpu(),
    checkLibrary(engine),
    ...(isSetUp ? [await checkOp()] : []),
    checkNative(),
    checkBfloat16(tf.getBackend() === 'tensorflow' && (await useTensorFlow()).device === 'gpu' ? 'gpu' : 'cpu'),
  ];
  return { table: findings.map(formatFinding).join('\n'), healthy: findings.every(({ wayOut }) => !wayOut) };
}

function checkMachine(): Finding {
  const { node, platform, architecture, glibc } = describeMachine();
  const found = `Node.js ${node}, ${platform} ${architecture}, ${glibc ? `glibc ${glibc}` : 'no glibc'}`;
  try {
    requireMachine();
    return { name: 'machine', found };
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error;
    return { name: 'machine', found, wayOut: error.wayOut };
  }
}

async function checkCompiler(isSetUp: boolean): Promise<Finding> {
  const { code, output } = await runProcess(compilerCommand(), ['--version']);
  if (code === 0) return { name: 'C++ compiler', found: output.split('\n')[0]! };
  return needed('C++ compiler', {
    isSetUp,
    wayOut: 'Install one (apt-get install g++, dnf install gcc-c++), or name it in CXX.',
  });
}

async function checkPip(isSetUp: boolean): Promise<Finding> {
  const pip = await findPip();
  if (!pip) return needed('pip', { isSetUp, wayOut: 'Install Python 3 with pip (apt-get install python3-pip).' });
  const { output } = await runProcess(pip[0]!, [...pip.slice(1), '--version']);
  return { name: 'pip', found: output.trim() };
}

/** The compiler and pip are needed until the engine is set up, and not after. */
const needed = (name: string, { isSetUp, wayOut }: { isSetUp: boolean; wayOut: string }): Finding =>
  isSetUp ? { name, found: 'none; not needed, since the engine is set up' } : { name, found: 'none', wayOut };

async function checkDisk(): Promise<Finding> {
  const cache = cacheFolder();
  return { name: 'cache', found: `${cache}, ${toGigabytes(await freeDiskBytes(cache))} GB free` };
}

async function checkGpu(): Promise<Finding> {
  const { code, output } = await runProcess('nvidia-smi', [
    '--query-gpu=name,memory.total,driver_version',
    '--format=csv,noheader',
  ]);
  return {
    name: 'GPU',
    found: code === 0 ? output.trim().replaceAll('\n', '; ') : 'none (nvidia-smi finds no NVIDIA GPU)',
  };
}

/** Instruction sets that matter for speed, as Linux reports them. */
function checkCpu(): Finding {
  const flags = cpuFlags();
  const sets = ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_bf16', 'asimd', 'bf16'].filter((name) => flags.has(name));
  return { name: 'CPU', found: sets.join(' ') || 'none of the instruction sets that matter for speed' };
}

/** Whether training.precision: bf16 makes sense here. */
function checkBfloat16(device: 'cpu' | 'gpu'): Finding {
  const { supported, by } = bfloat16Support(device);
  return { name: 'bfloat16', found: `${supported ? 'yes' : 'no'}, ${by}` };
}

/** Which packages have native kernels in the cache. */
function checkNative(): Finding {
  const names = listNativeLibraries(cacheFolder());
  const found = names.join(', ') || 'none compiled yet; that is done when they are first used';
  return { name: 'native ops', found: process.env.EFLOW_NATIVE === '0' ? 'off, by EFLOW_NATIVE=0' : found };
}

function checkLibrary(engine: ReturnType<typeof findEngine> | Error): Finding {
  const wayOut = 'Run: eflow-engine setup';
  if (engine instanceof SetUpError) return { name: 'library', found: engine.what, wayOut: engine.wayOut };
  if (engine instanceof Error) return { name: 'library', found: engine.message, wayOut };
  if (!engine) return { name: 'library', found: 'not set up', wayOut };
  return { name: 'library', found: `${engine.library}, addon ${join(engine.addon, ADDON)}` };
}

/** Loads the engine and multiplies [[1, 2], [3, 4]] by its transpose. */
async function checkOp(): Promise<Finding> {
  const outcome = await attempt(async () => {
    const { tensorflowVersion, device } = await useTensorFlow();
    const product = tf.tidy(() =>
      tf
        .matMul(
          [
            [1, 2],
            [3, 4],
          ],
          [
            [1, 2],
            [3, 4],
          ],
          false,
          true,
        )
        .arraySync(),
    );
    if (JSON.stringify(product) !== '[[5,11],[11,25]]') throw new Error(`matMul gave ${JSON.stringify(product)}`);
    return `${tensorflowVersion} on the ${device}; an op ran and was right`;
  });
  if (!(outcome instanceof Error)) return { name: 'TensorFlow', found: outcome };
  return { name: 'TensorFlow', found: outcome.message, wayOut: 'Run: eflow-engine setup --force' };
}

const formatFinding = ({ name, found, wayOut }: Finding): string =>
  `${wayOut ? 'MISSING' : 'ok     '} ${name.padEnd(13)} ${found}${wayOut ? `\n${' '.repeat(22)}${wayOut}` : ''}`;

async function attempt<T>(fn: () => T | Promise<T>): Promise<T | Error> {
  try {
    return await fn();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
