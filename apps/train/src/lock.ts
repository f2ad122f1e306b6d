import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** The right to train in a folder. */
export interface Lock {
  /** Writes this process's number to train.lock, for people and messages: it locks nothing. */
  sign(): void;
  release(): void;
}

const POLL_MS = 200;

/**
 * Takes the lock of a run's folder, so that two processes cannot train into it: an abstract Unix socket named after the folder.
 * Linux gives that name to one process, and takes it back at the process's end, whatever ends it and however long its event
 * loop is blocked: no lock is ever stale. One that is held is waited for: its holder may be about to end, as it does when its
 * supervisor is killed. Throws, naming the holder, after `waitSeconds`. The folder must exist.
 */
export async function takeLock(root: string, waitSeconds: number): Promise<Lock> {
  const path = realpathSync(root);
  const file = join(path, 'train.lock');
  const name = `\0eflow-train-${createHash('sha256').update(path).digest('hex')}`;
  for (let waited = 0; ; waited += POLL_MS / 1000) {
    const server = await listen(name);
    if (server) {
      let isSigned = false;
      return {
        sign() {
          writeFileSync(file, `${JSON.stringify({ pid: process.pid })}\n`);
          isSigned = true;
        },
        release() {
          if (isSigned) rmSync(file, { force: true });
          server.close();
        },
      };
    }
    const holder = readHolder(file);
    if (waited >= waitSeconds) {
      const end = holder === undefined ? '' : `end it with kill ${holder}, `;
      throw new Error(
        `${describe(holder)} is training in this folder (${root}): wait for it, ${end}or choose another folder with --out`,
      );
    }
    if (waited === 0) console.error(`Waiting for ${describe(holder)}, which is training in this folder, to end.`);
    await setTimeout(POLL_MS);
  }
}

/** Listens at a name; undefined if another process does. It does not keep this process alive. */
const listen = (path: string): Promise<Server | undefined> =>
  new Promise((done, failed) => {
    const server = createServer((socket) => socket.destroy()).unref();
    server.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(undefined) : failed(error),
    );
    server.listen({ path, exclusive: true }, () => done(server));
  });

const describe = (pid: number | undefined) => (pid === undefined ? 'another process' : `process ${pid}`);

/** The number of the process that signed last; undefined if none has. */
function readHolder(file: string): number | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).pid;
  } catch {
    return undefined;
  }
}
