import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIREMENTS = fileURLToPath(new URL('../torch/requirements.txt', import.meta.url));

/**
 * The Python of a virtual environment with the pinned PyTorch, in the user's cache folder. The first call makes it, which
 * downloads about 2.4 GB and takes 4.2 GB on disk; one that was interrupted is gone on with. Throws, with pip's reason,
 * if it cannot be had.
 */
export async function setUpTorch(say: (line: string) => void): Promise<string> {
  const requirements = readFileSync(REQUIREMENTS, 'utf8');
  const version = /^torch==(.+)$/m.exec(requirements)![1]!;
  const cache = process.env.EFLOW_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eflow');
  const folder = join(cache, `bench-torch-${version}`);
  const python = join(folder, 'bin', 'python');
  const stamp = join(folder, 'installed.txt');
  if (existsSync(stamp)) {
    if (readFileSync(stamp, 'utf8') === requirements) return python;
    rmSync(folder, { recursive: true });
  }
  say(`Installing PyTorch ${version} into ${folder}: 2.4 GB to download, 4.2 GB on disk, once.`);
  await run('python3', ['-m', 'venv', folder]);
  const quiet = process.stderr.isTTY ? [] : ['--quiet'];
  await run(python, [
    '-m',
    'pip',
    'install',
    ...quiet,
    '--disable-pip-version-check',
    '--no-input',
    '--no-deps',
    '--requirement',
    REQUIREMENTS,
  ]);
  await run(python, ['-c', 'import torch']);
  writeFileSync(stamp, requirements);
  return python;
}

/** Runs a command whose output goes to standard error; throws with its last line if it fails. */
function run(command: string, args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', process.stderr, 'pipe'] });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', () =>
      reject(new Error(`${command} cannot be run; install Python 3.10 or later with pip and venv`)),
    );
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const reason = errors.trim().split('\n').at(-1) || `exited with ${code}`;
      reject(new Error(`${command} ${args.slice(0, 3).join(' ')}: ${reason}`));
    });
  });
}
