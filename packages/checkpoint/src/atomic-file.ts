import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Bytes moved by one read or write: bounds memory, and stays far below the 2 GiB that one system call takes. */
const PIECE_BYTES = 64 * 2 ** 20;

/** A file's size and the SHA-256 of its bytes, in hexadecimal. */
export interface FileDigest {
  bytes: number;
  sha256: string;
}

/** A name beside `path` that no other writer uses. Names of this form are leftovers once their writer is gone. */
export const temporaryName = (path: string): string => `${path}.tmp-${randomBytes(6).toString('hex')}`;

/**
 * Writes `file` so that it is either complete or absent, after a kill or a power loss too: a temporary file in the same
 * folder, fsync, rename over `file`, fsync of the folder. `fill` gets a function that appends bytes. If anything throws,
 * the temporary file is removed and what stood at `file` stays. Returns the digest of what was written.
 */
export async function writeAtomically(
  file: string,
  fill: (append: (bytes: ArrayBufferView) => Promise<void>) => Promise<void>,
): Promise<FileDigest> {
  const temporary = temporaryName(file);
  const handle = await open(temporary, 'wx');
  const hash = createHash('sha256');
  let position = 0;
  try {
    await fill(async (bytes) => {
      for (const piece of pieces(bytes)) {
        hash.update(piece);
        for (let done = 0; done < piece.length; ) {
          const { bytesWritten } = await handle.write(piece, done, piece.length - done, position);
          done += bytesWritten;
          position += bytesWritten;
        }
      }
    });
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
  return { bytes: position, sha256: hash.digest('hex') };
}

/** Makes renames inside `folder` survive a power loss. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

/** Fills `target` from `position` on. Throws if the file ends first. */
export async function readFully(handle: FileHandle, target: ArrayBufferView, position: number): Promise<void> {
  for (const piece of pieces(target)) {
    for (let done = 0; done < piece.length; ) {
      const { bytesRead } = await handle.read(piece, done, piece.length - done, position);
      if (bytesRead === 0) throw new Error(`it ends at byte ${position}, before its last tensor`);
      done += bytesRead;
      position += bytesRead;
    }
  }
}

/** The digest of a file as it now stands on the disk. */
export async function digestFile(file: string): Promise<FileDigest> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const hash = createHash('sha256');
    const buffer = new Uint8Array(Math.min(size, PIECE_BYTES));
    for (let position = 0; position < size; position += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, size - position));
      await readFully(handle, piece, position);
      hash.update(piece);
    }
    return { bytes: size, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

function* pieces({ buffer, byteOffset, byteLength }: ArrayBufferView): Generator<Uint8Array> {
  for (let start = 0; start < byteLength; start += PIECE_BYTES) {
    yield new Uint8Array(buffer, byteOffset + start, Math.min(PIECE_BYTES, byteLength - start));
  }
}
