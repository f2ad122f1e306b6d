import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { ADDON } from './addon.ts';
import { bfloat16Support, cpuFlags } from './bfloat16.ts';
import { cacheFolder, requireCache } from './cache.ts';
import { compilerCommand } from './compiler.ts';
import { loaderWayOut } from './loader.ts';
import { listNativeLibraries } from './native-library.ts';
import { findPip } from './pip.ts';
import { describeMachine, freeDiskBytes, requireMachine, toGigabytes } from './platform.ts';
import { runProcess } from './run-process.ts';
import { SetUpError } from './set-up-error.ts';
import { findEngine } from './setup.ts';
import { type EngineInfo, useTensorFlow } from './use-tensorflow.ts';

interface Finding {
  readonly name: string;
  readonly found: string;
  /** What to do; present if something needed is missing. */
  readonly wayOut?: string;
}

/** What the engine needs and what of it this machine has, as a table; unhealthy if something needed is missing. */
export async function runDoctor(): Promise<{ table: string; healthy: boolean }> {
  const engine = await attempt(() => findEngine());
  const isSetUp = typeof engine === 'object' && !(engine instanceof Error);
  const visible = process.env.CUDA_VISIBLE_DEVICES; // before useTensorFlow changes it
  const op = isSetUp ? await checkOp() : undefined;
  const findings = [
    checkMachine(),
    ...(await Promise.all([checkCompiler(isSetUp), checkPip(isSetUp), checkCache(isSetUp)])),
    await checkGpu({ library: isSetUp ? engine.library : undefined, device: op?.device, visible }),
    checkCpu(),
    checkLibrary(engine),
    ...(op ? [op.finding] : []),
    checkNative(),
    checkBfloat16(op?.device ?? 'cpu'),
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
  const name = 'C++ compiler';
  const [compiler, ...args] = compilerCommand();
  const { code, output } = await runProcess(compiler, [...args, '--version']);
  if (code === 0) return { name, found: output.split('\n')[0]! };
  const wayOut = 'Install one (apt-get install g++, dnf install gcc-c++), or name it in CXX.';
  return needed(name, { isSetUp, found: code === undefined ? `no ${compiler}` : `${compiler} does not work`, wayOut });
}

async function checkPip(isSetUp: boolean): Promise<Finding> {
  const pip = await attempt(findPip);
  if (pip instanceof SetUpError) return needed('pip', { isSetUp, found: pip.what, wayOut: pip.wayOut });
  if (pip instanceof Error) throw pip;
  const [command, ...args] = pip;
  const { output } = await runProcess(command, [...args, '--version']);
  return { name: 'pip', found: output.trim() };
}

/** The compiler and pip are needed until the engine is set up, and not after. */
const needed = (
  name: string,
  { isSetUp, found, wayOut }: { isSetUp: boolean; found: string; wayOut: string },
): Finding => (isSetUp ? { name, found: `${found}; not needed, since the engine is set up` } : { name, found, wayOut });

async function checkCache(isSetUp: boolean): Promise<Finding> {
  const cache = cacheFolder();
  const found = `${cache}, ${toGigabytes(await freeDiskBytes(cache))} GB free`;
  const problem = isSetUp ? undefined : await attempt(() => requireCache(cache));
  return problem instanceof SetUpError
    ? { name: 'cache', found: problem.what, wayOut: problem.wayOut }
    : { name: 'cache', found };
}

/** The least driver for CUDA 12. */
const MINIMUM_DRIVER = '525';
/** The newest compute capability that TensorFlow brings machine code for. */
const NEWEST_COMPILED = 9;

/** Whether TensorFlow uses the GPU that is there. `device` is undefined if TensorFlow does not run at all. */
async function checkGpu({ library, device, visible }: GpuFacts): Promise<Finding> {
  const name = 'GPU';
  const query = ['--query-gpu=name,memory.total,driver_version,compute_cap', '--format=csv,noheader'];
  const { code, output } = await runProcess('nvidia-smi', query);
  if (code !== 0) return { name, found: `none (nvidia-smi ${code === undefined ? 'is not there' : 'finds none'})` };
  const gpus = output.trim().split('\n');
  const found = gpus.join('; ');
  if (!library || !device) return { name, found };
  if (device === 'gpu') {
    const isNew = gpus.some((line) => Number.parseFloat(line.split(',').at(-1)!) >= NEWEST_COMPILED + 1);
    return {
      name,
      found: isNew ? `${found}; newer than this TensorFlow: its first use takes up to half an hour` : found,
    };
  }
  const unused = `${found}; TensorFlow does not use it`;
  if (visible !== undefined && !/^\d|^GPU|^MIG/.test(visible)) {
    return { name, found: `${unused}, by CUDA_VISIBLE_DEVICES='${visible}'` };
  }
  if (process.arch !== 'x64') return { name, found: `${unused}: none is published with CUDA for ${process.arch}` };
  if (!existsSync(join(library, '..', 'nvidia'))) {
    const wayOut =
      "Run: npx @eflow/engine setup --cuda (a download of 3.4 GB), or set CUDA_VISIBLE_DEVICES='' to do without.";
    return { name, found: `${unused}: this library is for CPUs`, wayOut };
  }
  return {
    name,
    found: unused,
    wayOut: loaderWayOut(
      `Update the driver if it is older than ${MINIMUM_DRIVER}. TF_CPP_MIN_LOG_LEVEL=0 npx @eflow/engine doctor prints TensorFlow's own reason.`,
    ),
  };
}

interface GpuFacts {
  /** Folder of the library in use. */
  readonly library: string | undefined;
  readonly device: EngineInfo['device'] | undefined;
  /** CUDA_VISIBLE_DEVICES. */
  readonly visible: string | undefined;
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
  const wayOut = 'Run: npx @eflow/engine setup';
  if (engine instanceof SetUpError) return { name: 'library', found: engine.what, wayOut: engine.wayOut };
  if (engine instanceof Error) return { name: 'library', found: engine.message, wayOut };
  if (!engine) return { name: 'library', found: 'not set up', wayOut };
  return { name: 'library', found: `${engine.library}, addon ${join(engine.addon, ADDON)}` };
}

/** Loads the engine and multiplies [[1, 2], [3, 4]] by its transpose. */
async function checkOp(): Promise<{ finding: Finding; device?: EngineInfo['device'] }> {
  const name = 'TensorFlow';
  const outcome = await attempt(async () => {
    const engine = await useTensorFlow();
    const matrix = [
      [1, 2],
      [3, 4],
    ];
    const product = JSON.stringify(tf.tidy(() => tf.matMul(matrix, matrix, false, true).arraySync()));
    if (product !== '[[5,11],[11,25]]') throw new Error(`matMul gave ${product}`);
    return engine;
  });
  if (outcome instanceof SetUpError) return { finding: { name, found: outcome.what, wayOut: outcome.wayOut } };
  if (outcome instanceof Error) {
    return { finding: { name, found: outcome.message, wayOut: 'Run: npx @eflow/engine setup --force' } };
  }
  const { tensorflowVersion, device } = outcome;
  return { finding: { name, found: `${tensorflowVersion} on the ${device}; an op ran and was right` }, device };
}

const formatFinding = ({ name, found, wayOut }: Finding): string =>
  [`${wayOut ? 'MISSING' : 'ok     '} ${name.padEnd(13)} ${found}`, ...(wayOut ? [wayOut] : [])]
    .join('\n')
    .replaceAll(/\n\s*/g, `\n${' '.repeat(22)}`);

async function attempt<T>(fn: () => T | Promise<T>): Promise<T | Error> {
  try {
    return await fn();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
