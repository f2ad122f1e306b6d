import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DecodedVideo, DecodeOptions } from './decode.ts';
import type { DecodeJob, DecodeReply } from './decode-child.ts';
import { type RejectionCode, VideoError } from './entry.ts';

export interface PoolOptions {
  /** Processes. */
  jobs: number;
  /** For one video; then its process is killed. */
  deadlineSeconds: number;
  /** Of one process; then it is killed. */
  maxResidentBytes: number;
}

export interface DecoderPool {
  /** Waits for a free process. Rejects with a `VideoError` that says why a file cannot be used. */
  decode(file: string, options: DecodeOptions): Promise<DecodedVideo>;
  close(): void;
}

const MEMORY_POLL_MS = 200;
const PAGE_BYTES = 4096;

/** Processes that decode videos, each killed and started again where one hangs, grows or crashes. */
export function createDecoderPool({ jobs, deadlineSeconds, maxResidentBytes }: PoolOptions): DecoderPool {
  const idle: ChildProcess[] = [];
  const waiting: ((child: ChildProcess) => void)[] = [];
  const all = new Set<ChildProcess>();

  function acquire(): Promise<ChildProcess> {
    const child = idle.pop() ?? (all.size < jobs ? start() : undefined);
    if (child) return Promise.resolve(child);
    return new Promise((resolve) => waiting.push(resolve));
  }

  function start(): ChildProcess {
    const child = startChild();
    all.add(child);
    child.on('exit', () => all.delete(child));
    return child;
  }

  /** Gives the process, or one in the place of one that has ended, to whom waits the longest. */
  function release(child: ChildProcess): void {
    const next = waiting.shift();
    if (all.has(child)) {
      if (next) next(child);
      else idle.push(child);
    } else if (next) next(start());
  }

  return {
    async decode(file, options) {
      const child = await acquire();
      try {
        return await run(child, { file, options });
      } finally {
        release(child);
      }
    },
    close() {
      for (const child of all) child.kill('SIGKILL');
    },
  };

  function run(child: ChildProcess, job: DecodeJob): Promise<DecodedVideo> {
    return new Promise((resolve, reject) => {
      const kill = (code: RejectionCode, problem: string) => {
        all.delete(child);
        child.kill('SIGKILL');
        settle(() => reject(new VideoError(code, problem)));
      };
      const deadline = setTimeout(
        () => kill('deadline', `it was not decoded within ${deadlineSeconds} s; raise the deadline, or leave it out`),
        1000 * deadlineSeconds,
      );
      const watch = setInterval(() => {
        if (residentBytes(child) > maxResidentBytes) {
          kill('memory', `decoding it took more than ${maxResidentBytes / 2 ** 20} MiB of memory`);
        }
      }, MEMORY_POLL_MS);
      const onMessage = (reply: DecodeReply) =>
        settle(() => ('video' in reply ? resolve(reply.video) : reject(new VideoError(reply.code, reply.problem))));
      const onExit = (code: number | null, signal: string | null) => {
        all.delete(child);
        settle(() =>
          reject(new VideoError('crash', `decoding it ended its process (${signal ?? `exit code ${code}`})`)),
        );
      };
      function settle(finish: () => void): void {
        clearTimeout(deadline);
        clearInterval(watch);
        child.off('message', onMessage).off('exit', onExit);
        finish();
      }
      child.on('message', onMessage).on('exit', onExit);
      child.send(job);
    });
  }
}

function residentBytes({ pid }: ChildProcess): number {
  try {
    return PAGE_BYTES * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  } catch {
    return 0; // it has ended, or there is no such file here
  }
}

/** From sources the child is TypeScript too and has tsx compile it; from a build it is the file beside this one. */
function startChild(): ChildProcess {
  const options: ForkOptions = { serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] };
  if (!import.meta.url.endsWith('.ts')) {
    return fork(fileURLToPath(new URL('./decode-child.js', import.meta.url)), { ...options, execArgv: [] });
  }
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return fork(fileURLToPath(new URL('./decode-child.ts', import.meta.url)), {
    ...options,
    execArgv: ['--import', tsx],
  });
}
