import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** Where figures were made. */
export interface Machine {
  cpu: string;
  cores: number;
  node: string;
  /** The checkout's, with `-dirty` after it if files were changed since; absent outside a git repository. */
  commit?: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
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
