import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { buildAtomically } from './cache.ts';
import { requireDisk } from './platform.ts';
import type { Progress } from './progress.ts';
import { lastLines, runProcess } from './run-process.ts';
import { SetUpError } from './set-up-error.ts';
import type { Architecture, Device } from './wheels.ts';

/** The newest version that TensorFlow's page on its C library names. */
const ARCHIVE_VERSION = '2.18.0';
const ARCHIVE_BYTES = 800e6;

/** Address of TensorFlow's own archive of its C library; EFLOW_TENSORFLOW_ARCHIVE names another, http(s) or file. */
const archiveUrl = (device: Device, env: NodeJS.ProcessEnv = process.env): string =>
  env.EFLOW_TENSORFLOW_ARCHIVE ||
  `https://storage.googleapis.com/tensorflow/versions/${ARCHIVE_VERSION}/libtensorflow-${device === 'cpu' ? 'cpu' : 'gpu'}-linux-x86_64.tar.gz`;

/** Where that archive is kept unpacked. */
export const archiveLibraryFolder = (cache: string, device: Device): string =>
  join(cache, `libtensorflow-${ARCHIVE_VERSION}-${device}-linux-x64`);

/**
 * Fills the library folder from TensorFlow's own archive. No checksum is published for it, so it rests on the address
 * being https alone. Throws an unavailable SetUpError if it cannot be had.
 */
export async function installArchive(
  folder: string,
  { device, architecture, progress }: { device: Device; architecture: Architecture; progress: Progress },
): Promise<void> {
  if (architecture !== 'x64') {
    throw new SetUpError('TensorFlow publishes its C archive for x64 alone.', 'Give a library with --library.', true);
  }
  const url = archiveUrl(device);
  await requireDisk(folder, ARCHIVE_BYTES);
  await buildAtomically(folder, async (temporary) => {
    const file = `${temporary}.tar.gz`;
    try {
      await mkdir(temporary, { recursive: true });
      await download(url, file, progress);
      const { code, output } = await runProcess('tar', ['-xzf', file, '-C', temporary]);
      if (code !== 0) {
        throw new SetUpError(
          `The archive from ${url} could not be unpacked:\n${lastLines(output)}`,
          'Check that tar and gzip are installed, and run the set-up again.',
        );
      }
    } finally {
      await rm(file, { force: true });
    }
  });
}

async function download(url: string, file: string, progress: Progress): Promise<void> {
  try {
    const { body, bytes } = await openUrl(url);
    const stage = progress.start('Downloading libtensorflow', bytes / 1e6, 'MB');
    let received = 0;
    body.on('data', (chunk: Buffer) => {
      received += chunk.length;
      stage.update(received / 1e6);
    });
    await pipeline(body, createWriteStream(file)).finally(() => stage.end());
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new SetUpError(
      `${url} could not be downloaded: ${cause instanceof Error ? cause.message : cause}.`,
      'Check the network, or give a library with --library.',
      true,
    );
  }
}

async function openUrl(url: string): Promise<{ body: Readable; bytes: number }> {
  if (url.startsWith('file:')) return { body: createReadStream(fileURLToPath(url)), bytes: ARCHIVE_BYTES };
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  const bytes = Number(response.headers.get('content-length')) || ARCHIVE_BYTES;
  return { body: Readable.fromWeb(response.body), bytes };
}
