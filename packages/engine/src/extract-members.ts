import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise } from 'yauzl';

/** Streams the members of a zip file whose names match into `folder`; `onBytes` gets the bytes written so far. */
export async function extractMembers(
  zipFile: string,
  folder: string,
  { members, onBytes }: { members: RegExp; onBytes: (bytes: number) => void },
): Promise<void> {
  const zip = await openPromise(zipFile, { autoClose: false });
  let bytes = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      if (!members.test(entry.fileName) || entry.fileName.endsWith('/')) continue;
      const target = resolve(folder, entry.fileName);
      if (!target.startsWith(resolve(folder) + sep))
        throw new Error(`${zipFile}: member ${entry.fileName} leaves the folder`);
      await mkdir(dirname(target), { recursive: true });
      const source = await zip.openReadStreamPromise(entry);
      source.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        onBytes(bytes);
      });
      await pipeline(source, createWriteStream(target, { mode: isExecutable(entry) ? 0o755 : 0o644 }));
    }
  } finally {
    zip.close();
  }
}

/** A zip keeps the Unix mode in the upper half of the external attributes. */
const isExecutable = (entry: Entry): boolean => ((entry.externalFileAttributes >>> 16) & 0o100) !== 0;
