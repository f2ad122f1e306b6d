import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { IS_SOURCE, packageVersion } from './command-line.ts';

/** Where figures were made. */
export interface Machine {
  cpu: string;
  /** That this process may use. */
  cores: number;
  memoryBytes: number;
  node: string;
  /**
   * The checkout's, with `-dirty` after it if files were changed since, absent outside a git repository; of an installed package its
   * version, such as v0.1.0.
   */
  commit?: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.versions.node,
    commit: IS_SOURCE ? readCommit() : `v${packageVersion()}`,
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
