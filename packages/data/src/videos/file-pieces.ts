import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const PIECE_BYTES = 2 ** 22;

/** The bytes of a file, piece by piece; each piece is valid until the next one is asked for. */
export function* readPieces(file: string): Generator<Buffer> {
  const handle = openSync(file, 'r');
  const buffer = Buffer.alloc(PIECE_BYTES);
  try {
    for (let read = readSync(handle, buffer); read > 0; read = readSync(handle, buffer)) yield buffer.subarray(0, read);
  } finally {
    closeSync(handle);
  }
}

/** Writes all of the bytes, where a single call may write a part. */
export function writeFully(handle: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
}
