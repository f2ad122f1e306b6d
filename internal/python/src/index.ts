import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { endOf } from '@eflow/cli';

export interface PythonEnvironment {
  /** The name of its folder in the user's cache folder. */
  name: string;
  /** A requirements file of pip's, every package pinned. */
  requirements: string;
  /** A module that is imported to see that it works. */
  check: string;
  /** Told what is installed, and where, the first time. */
  onInstall: (folder: string) => void;
}

/**
 * The Python of a virtual environment, made by the first call; one that was interrupted is gone on with, one of other
 * requirements made anew. Throws, with pip's reason, if it cannot be had.
 */
export async function setUpPython({ name, requirements, check, onInstall }: PythonEnvironment): Promise<string> {
  const wanted = readFileSync(requirements, 'utf8');
  const cache = process.env.EFLOW_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eflow');
  const folder = join(cache, name);
  const python = join(folder, 'bin', 'python');
  const stamp = join(folder, 'installed.txt');
  if (existsSync(stamp)) {
    if (readFileSync(stamp, 'utf8') === wanted) return python;
    rmSync(folder, { recursive: true });
  }
  onInstall(folder);
  await run('python3', ['-m', 'venv', folder]);
  const quiet = process.stderr.isTTY ? [] : ['--quiet'];
  const flags = [...quiet, '--disable-pip-version-check', '--no-input', '--no-deps'];
  await run(python, ['-m', 'pip', 'install', ...flags, '--requirement', requirements]);
  await run(python, ['-c', `import ${check}`]);
  writeFileSync(stamp, wanted);
  return python;
}

/** Runs a command whose output goes to standard error; throws with its last line if it fails. */
async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', process.stderr, 'pipe'] });
  const { code, stderr } = await endOf(child).catch(() => {
    throw new Error(`${command} cannot be run; install Python 3.10 or later with pip and venv`);
  });
  if (code === 0) return;
  const reason = stderr.trim().split('\n').at(-1) || `exited with ${code}`;
  throw new Error(`${command} ${args.slice(0, 3).join(' ')}: ${reason}`);
}
