import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SetUpError } from './set-up-error.ts';
import type { Architecture } from './wheels.ts';

const MINIMUM_NODE = [20, 19] as const;
const MINIMUM_GLIBC = [2, 27] as const;

/** What a machine has to offer; a parameter so that other machines can be asked about. */
export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly architecture: string;
  /** Version of GNU libc; undefined on musl and elsewhere. */
  readonly glibc: string | undefined;
}

export function describeMachine(): Machine {
  const report = process.report?.getReport();
  const glibc = typeof report === 'object' && 'header' in report ? glibcOf(report.header) : undefined;
  return { node: process.versions.node, platform: process.platform, architecture: process.arch, glibc };
}

/** The architecture, if the machine can run the engine. Throws a SetUpError if not. */
export function requireMachine(machine: Machine = describeMachine()): Architecture {
  const { node, platform, architecture, glibc } = machine;
  if (isOlder(node, MINIMUM_NODE)) {
    throw new SetUpError(`Node.js ${node} is too old.`, `Install Node.js ${MINIMUM_NODE.join('.')} or later.`);
  }
  const wayOut =
    'The engine needs Linux on x64 or arm64 with glibc 2.27 or later: use such a machine, a container or WSL 2. The other packages also run on the wasm, webgpu and cpu backends of TensorFlow.js.';
  if (platform !== 'linux' || (architecture !== 'x64' && architecture !== 'arm64')) {
    throw new SetUpError(`No TensorFlow library is published for ${platform} ${architecture}.`, wayOut);
  }
  if (glibc === undefined || isOlder(glibc, MINIMUM_GLIBC)) {
    throw new SetUpError(`TensorFlow's library needs glibc 2.27; this system has ${glibc ?? 'another libc'}.`, wayOut);
  }
  return architecture;
}

/** Throws a SetUpError unless the disk of `folder` has `bytes` free. */
export async function requireDisk(folder: string, bytes: number): Promise<void> {
  const free = await freeDiskBytes(folder);
  if (free >= bytes) return;
  throw new SetUpError(
    `The set-up needs ${toGigabytes(bytes)} GB on the disk of ${folder}; ${toGigabytes(free)} GB are free.`,
    'Free some space, or set EFLOW_CACHE to a folder on another disk.',
  );
}

/** Bytes free on the disk of `folder`, which need not exist yet. */
export async function freeDiskBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(existingPart(folder));
  return bavail * bsize;
}

/** `path`, or the nearest folder above it that exists. */
export const existingPart = (path: string): string => (existsSync(path) ? path : existingPart(dirname(path)));

export const toGigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);

const glibcOf = (header: unknown): string | undefined =>
  typeof header === 'object' && header && 'glibcVersionRuntime' in header
    ? String(header.glibcVersionRuntime)
    : undefined;

function isOlder(version: string, minimum: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < minimum[0] || (major === minimum[0] && minor < minimum[1]);
}
