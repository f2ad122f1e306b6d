import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The folder of the run in `folder` that wrote a checkpoint last, for commands that are given none. Throws where no run has a
 * checkpoint.
 */
export function findNewestRun(folder = 'runs'): string {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const runs = names.flatMap((name) => {
    const root = join(folder, name);
    const checkpoints = join(root, 'checkpoints');
    const isTrained = existsSync(checkpoints) && readdirSync(checkpoints).some((step) => /^step-\d+$/.test(step));
    return isTrained ? [{ root, writtenMs: statSync(checkpoints).mtimeMs }] : [];
  });
  const [newest] = runs.sort((a, b) => b.writtenMs - a.writtenMs);
  if (newest) return newest.root;
  throw new Error(`${folder}/ holds no run with a checkpoint: train one first, or give the folder of a run`);
}
