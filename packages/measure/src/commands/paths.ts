import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export const isNpz = (path: string): boolean => path.endsWith('.npz');

/** Throws on what cannot be a source, before weights are loaded. */
export function checkSource(path: string): void {
  if (path.endsWith('.npy')) {
    throw new Error(`${path}: .npy files are not read, .npz files are: numpy.savez('features.npz', features=array)`);
  }
  if (!existsSync(path)) {
    throw new Error(`${path}: no such file or folder; give a folder of videos, a manifest, a tar or an .npz file`);
  }
}

/** Throws if a file cannot be written there, before hours of work are lost. */
export function checkWritable(file: string): void {
  const folder = dirname(file);
  try {
    if (existsSync(file) && statSync(file).isDirectory()) throw new Error('it is a folder');
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? `there is no folder ${folder}` : message;
    throw new Error(`${file} cannot be written: ${problem}`);
  }
}
