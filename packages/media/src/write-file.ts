import writeFileAtomic from 'write-file-atomic';

/** Writes a file so that a reader never sees half of it. Throws, saying what is needed, where it cannot be written. */
export async function writeWhole(file: string, { buffer, byteOffset, byteLength }: Uint8Array): Promise<void> {
  try {
    await writeFileAtomic(file, Buffer.from(buffer, byteOffset, byteLength));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${file}: cannot be written; its folder must exist and be writable (${reason})`, { cause });
  }
}
