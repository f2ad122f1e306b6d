import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { disposeTree, type Tree } from '@eflow/tensor';
import { syncFolder, temporaryName } from './atomic-file.ts';
import {
  type Json,
  type Manifest,
  parseStepFolder,
  stepFolderName,
  TREE_NAME,
  treeFile,
  verifyCheckpoint,
  writeManifest,
} from './manifest.ts';
import { loadTree, readTree, saveTree } from './tree-file.ts';

export interface CheckpointContents {
  /** Updates made so far, an integer >= 0. */
  step: number;
  /** By name, such as `params`, `ema` and `optimizer`; each becomes one safetensors file. */
  trees: Readonly<Record<string, Tree>>;
  config: Json;
  seed?: number;
  environment?: Json;
  /** What else a run needs to go on exactly, such as its position in the data. */
  state?: Json;
}

export type Checkpoint<Trees> = Omit<Manifest, 'files' | 'format'> & { folder: string; trees: Trees };

/** A checkpoint folder that was found, with its manifest; where it can't be used, `problem` says why instead. */
export interface FoundCheckpoint {
  step: number;
  folder: string;
  manifest?: Manifest;
  problem?: string;
}

/**
 * Saves `folder/step-000500/`: one safetensors file per tree, then `manifest.json`, in a temporary folder that is renamed
 * once all is on the disk, so a checkpoint is complete or invisible. One process at a time may save into `folder`;
 * temporary folders that a killed one left are removed first. Returns the new folder; the trees stay the caller's.
 * Throws, and keeps all that exists, if a tensor is not finite or a valid checkpoint of the same step is already there.
 */
export async function saveCheckpoint(folder: string, contents: CheckpointContents): Promise<string> {
  const { step, trees, config, seed = null, environment = null, state } = contents;
  if (!Number.isSafeInteger(step) || step < 0 || step >= 1e15) {
    throw new Error(`saveCheckpoint: step is ${step}; expected an integer from 0, the number of updates made so far`);
  }
  for (const name of Object.keys(trees)) {
    if (TREE_NAME.test(name)) continue;
    throw new Error(`saveCheckpoint: tree name '${name}'; expected a letter, then letters, digits, _ or -`);
  }
  await mkdir(folder, { recursive: true });
  await removeLeftovers(folder);
  const target = join(folder, stepFolderName(step));
  await setDamagedAside(target);
  const temporary = temporaryName(target);
  await mkdir(temporary);
  try {
    const files: Manifest['files'] = {};
    for (const [name, tree] of Object.entries(trees)) {
      files[treeFile(name)] = await saveTree(join(temporary, treeFile(name)), tree);
    }
    await writeManifest(temporary, { format: 'eflow-checkpoint-1', step, seed, config, environment, state, files });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(folder);
  return target;
}

/** Every checkpoint in `folder`, newest first, each verified to the last byte of every tree, or of those named in `trees`. */
export async function listCheckpoints(folder: string, trees?: readonly string[]): Promise<FoundCheckpoint[]> {
  const found: FoundCheckpoint[] = [];
  for await (const checkpoint of scan(folder, trees)) found.push(checkpoint);
  return found;
}

/**
 * The newest valid checkpoint in `folder`, or undefined if there is none; `skipped` are the newer ones that were
 * damaged, to be reported. No pointer file is involved: the folders themselves are scanned and verified, to the last byte of
 * every tree, or of those named in `trees`.
 */
export async function findLatestCheckpoint(
  folder: string,
  trees?: readonly string[],
): Promise<{ latest: (FoundCheckpoint & { manifest: Manifest }) | undefined; skipped: FoundCheckpoint[] }> {
  const skipped: FoundCheckpoint[] = [];
  for await (const checkpoint of scan(folder, trees)) {
    const { manifest } = checkpoint;
    if (manifest) return { latest: { ...checkpoint, manifest }, skipped };
    skipped.push(checkpoint);
  }
  return { latest: undefined, skipped };
}

/**
 * Loads one step's folder, or the newest valid checkpoint of a run's folder. With `templates` exactly those trees are
 * verified and loaded, each like its template; without, all of them as `readTree` gives them. The caller owns the leaves.
 * Throws if there is no valid checkpoint, a file is damaged, or a tree does not fit; each message names the file.
 */
export async function loadCheckpoint<Trees extends Readonly<Record<string, Tree>> = Record<string, Tree>>(
  path: string,
  templates?: Trees,
): Promise<Checkpoint<Trees>> {
  const asked = templates && Object.keys(templates);
  const { folder, manifest } =
    parseStepFolder(path) === undefined
      ? await requireLatest(path, asked)
      : { folder: path, manifest: await verifyCheckpoint(path, asked) };
  const { files, format: _, ...rest } = manifest;
  const names = asked ?? Object.keys(files).map((file) => file.replace(/\.safetensors$/, ''));
  const trees: Record<string, Tree> = {};
  try {
    for (const name of names) {
      const file = join(folder, treeFile(name));
      trees[name] = templates ? await loadTree(file, templates[name]!) : await readTree(file);
    }
  } catch (error) {
    disposeTree(trees);
    throw error;
  }
  return { ...rest, folder, trees: trees as Trees };
}

export interface Retention {
  /** How many of the newest stay, at least 1. */
  keepLast: number;
  /** Every step that this divides stays, too. */
  milestoneEvery?: number;
  /** A step that stays whatever its age, such as the best one's. */
  keepStep?: number;
}

/**
 * Removes the checkpoints in `folder` that are older than the `keepLast` newest, no milestones and not of `keepStep`; returns their folders.
 * The count begins at the newest valid one, which is verified and always stays; damaged ones before it stay to be looked
 * at. Each disappears at once, by a rename, so that a kill leaves no half of one. Throws on counts below 1.
 */
export async function pruneCheckpoints(
  folder: string,
  { keepLast, milestoneEvery, keepStep }: Retention,
): Promise<string[]> {
  for (const [name, value] of Object.entries({ keepLast, milestoneEvery: milestoneEvery ?? 1 })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      throw new Error(`pruneCheckpoints: ${name} is ${value}; expected an integer of at least 1`);
    }
  }
  const { latest } = await findLatestCheckpoint(folder);
  if (!latest) return [];
  const older = (await listSteps(folder)).filter((step) => step < latest.step).slice(keepLast - 1);
  const removed = older
    .filter((step) => step !== keepStep && (milestoneEvery === undefined || step % milestoneEvery !== 0))
    .map((step) => join(folder, stepFolderName(step)));
  for (const path of removed) {
    const temporary = temporaryName(path);
    await rename(path, temporary);
    await rm(temporary, { recursive: true });
  }
  return removed;
}

async function* scan(folder: string, trees?: readonly string[]): AsyncGenerator<FoundCheckpoint> {
  for (const step of await listSteps(folder)) yield inspect(join(folder, stepFolderName(step)), trees);
}

/** Steps of which there is a checkpoint, valid or not, newest first. */
async function listSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`${folder} cannot be read as a folder of checkpoints (${error.code}): check the path`);
  });
  const steps = names.map(parseStepFolder).filter((step) => step !== undefined);
  return steps.sort((a, b) => b - a);
}

async function inspect(folder: string, trees?: readonly string[]): Promise<FoundCheckpoint> {
  const step = parseStepFolder(folder)!;
  try {
    return { step, folder, manifest: await verifyCheckpoint(folder, trees) };
  } catch (error) {
    return { step, folder, problem: (error as Error).message };
  }
}

async function requireLatest(folder: string, trees?: readonly string[]) {
  const { latest, skipped } = await findLatestCheckpoint(folder, trees);
  if (latest) return latest;
  const problems = skipped.map(({ problem }) => `\n  ${problem}`).join('');
  throw new Error(`${folder} holds no valid checkpoint: check the path, or start a new run.${problems}`);
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^step-\d+\.tmp-[0-9a-f]+$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Makes way for a new checkpoint of the same step: a damaged one is renamed and kept, a valid one stays. */
async function setDamagedAside(target: string): Promise<void> {
  if (!existsSync(target)) return;
  const { problem } = await inspect(target);
  if (problem === undefined) {
    throw new Error(`${target} is already a valid checkpoint; delete it, or save into another folder`);
  }
  await rename(target, `${target}.damaged-${randomBytes(6).toString('hex')}`);
}
