import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setUpPython } from '@eflow/python';

const REQUIREMENTS = fileURLToPath(new URL('../torch/requirements.txt', import.meta.url));

/**
 * The Python of a virtual environment with the pinned PyTorch, in the user's cache folder. The first call makes it, which
 * downloads about 2.4 GB and takes 4.2 GB on disk. Throws, with pip's reason, if it cannot be had.
 */
export async function setUpTorch(say: (line: string) => void): Promise<string> {
  const version = /^torch==(.+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))![1]!;
  return setUpPython({
    name: `bench-torch-${version}`,
    requirements: REQUIREMENTS,
    check: 'torch',
    onInstall: (folder) =>
      say(`Installing PyTorch ${version} into ${folder}: 2.4 GB to download, 4.2 GB on disk, once.`),
  });
}
