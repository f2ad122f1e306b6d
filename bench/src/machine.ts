import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { bfloat16Support } from '@eflow/engine';

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  /** Of the system, averaged over the last minute, when the benchmark began. */
  loadAverage: number;
  system: string;
  node: string;
  /** The CPU multiplies matrices in bfloat16. */
  hasBf16: boolean;
  /** With `-dirty` after it if files were changed; undefined outside a git repository. */
  commit?: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    loadAverage: loadavg()[0]!,
    system: `${process.platform} ${process.arch} ${release()}`,
    node: process.versions.node,
    hasBf16: bfloat16Support('cpu').supported,
    commit: readCommit(),
  };
}

function readCommit(): string | undefined {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}
