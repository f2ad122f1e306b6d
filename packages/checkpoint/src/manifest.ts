import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { digestFile, type FileDigest, writeAtomically } from './atomic-file.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What a checkpoint folder holds beside its tensors; `manifest.json` is written last and makes the folder complete. */
export interface Manifest {
  format: 'eflow-checkpoint-1';
  /** Updates made so far. */
  step: number;
  seed: number | null;
  config: Json;
  /** What the run depended on, such as the TensorFlow version; compare before claiming an exact resume. */
  environment: Json;
  /** What else a run needs to go on exactly, such as its position in the data. */
  state?: Json;
  /** Size and SHA-256 of every safetensors file, by file name. */
  files: { [name: string]: FileDigest };
}

const MANIFEST = 'manifest.json';

/** What a tree may be called: safe as a file name and as a key. */
export const TREE_NAME = /^[A-Za-z][\w-]*$/;

/** The file of a tree in a checkpoint's folder. */
export const treeFile = (tree: string): string => `${tree}.safetensors`;

export const stepFolderName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

/** The step in a folder's name such as `step-000500`; undefined for any other name, temporary ones included. */
export function parseStepFolder(folder: string): number | undefined {
  const digits = /^step-(\d{6,15})$/.exec(basename(folder))?.[1];
  return digits !== undefined && stepFolderName(Number(digits)) === basename(folder) ? Number(digits) : undefined;
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeAtomically(join(folder, MANIFEST), (append) => append(new TextEncoder().encode(seal(manifest))));
}

/**
 * Reads and verifies the checkpoint in `folder`: the manifest is whole, and every file, or those of `trees` alone, has its
 * size and SHA-256. Throws an Error that names the damaged file and the way out, or the trees that there are.
 */
export async function verifyCheckpoint(folder: string, trees?: readonly string[]): Promise<Manifest> {
  const manifest = await readManifest(folder);
  for (const name of trees?.map(treeFile) ?? Object.keys(manifest.files)) {
    const expected = manifest.files[name];
    if (!expected) {
      const present = Object.keys(manifest.files).join(', ');
      throw new Error(
        `${folder} holds no tree '${name.replace(/\.safetensors$/, '')}', only ${present}; load one of those`,
      );
    }
    const file = join(folder, name);
    const found = await digestFile(file).catch((error: Error) => damaged(file, `cannot be read (${error.message})`));
    if (found.bytes !== expected.bytes) damaged(file, `has ${found.bytes} bytes, the manifest says ${expected.bytes}`);
    if (found.sha256 !== expected.sha256) damaged(file, 'does not have the SHA-256 that the manifest records');
  }
  return manifest;
}

async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, MANIFEST);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) =>
    damaged(file, `cannot be read (${error.code}), so the checkpoint is incomplete`),
  );
  const manifest = unseal(text) ?? damaged(file, 'is not the text that was written');
  const step = parseStepFolder(folder);
  if (step !== undefined && manifest.step !== step) damaged(file, `is of step ${manifest.step}, not of its folder's`);
  for (const name of Object.keys(manifest.files)) {
    if (name.endsWith('.safetensors') && TREE_NAME.test(name.slice(0, -'.safetensors'.length))) continue;
    damaged(file, `lists '${name}', which is not a plain safetensors file name`);
  }
  return manifest;
}

/** The manifest as JSON whose last key, `sha256`, is the digest of the JSON without it. */
function seal(manifest: Manifest): string {
  const sha256 = createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
  return `${JSON.stringify({ ...manifest, sha256 }, null, 2)}\n`;
}

/** The manifest, if `text` is to the byte what `seal` writes. */
function unseal(text: string): Manifest | undefined {
  try {
    const { sha256: _, ...manifest } = JSON.parse(text) as Manifest & { sha256: string };
    const isOurs = manifest.format === 'eflow-checkpoint-1' && seal(manifest) === text;
    return isOurs && Number.isSafeInteger(manifest.step) && isDigests(manifest.files) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

const isDigests = (files: Manifest['files']): boolean =>
  Object.values(files).every(({ bytes, sha256 }) => Number.isSafeInteger(bytes) && typeof sha256 === 'string');

function damaged(file: string, problem: string): never {
  throw new Error(`${file} ${problem}. Restore the file from a copy, or delete its folder and use another checkpoint`);
}
