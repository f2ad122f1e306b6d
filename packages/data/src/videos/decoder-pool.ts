import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DecodedVideo, DecodeJob, DecodeReply } from './decode-child.ts';
import type { DecodedFrames, DecodeOptions } from './decode-options.ts';
import { VideoError } from './entry.ts';

export interface PoolOptions {
  /** Processes. */
  jobs: number;
  /** How long a video may take until its next frame; then its process is killed. */
  deadlineSeconds: number;
  /** Memory of one process; then it is killed. */
  maxResidentBytes: number;
}

/** Both wait for a free process, and reject with a `VideoError` that says why a file cannot be used. */
export interface DecoderPool {
  /** A video of few frames, which come back. */
  decode(file: string, options: DecodeOptions): Promise<DecodedVideo>;
  /** A video of any length, whose frames are written to the file `target`. Rejects with another error if that cannot be written. */
  decodeTo(target: string, file: string, options: DecodeOptions, onFrames?: OnFrames): Promise<DecodedFrames>;
  /** Ends the processes; what waits is rejected. */
  close(): void;
}

/** Told now and then how many frames of a video there are. */
type OnFrames = (frames: number) => void;

interface Job {
  message: DecodeJob;
  onFrames: OnFrames;
  resolve: (video: DecodedFrames & { pixels?: Uint8Array }) => void;
  reject: (error: Error) => void;
  /** Processes that ended before they began with it. */
  starts: number;
}

const MEMORY_POLL_MS = 200;
const PAGE_BYTES = 4096;
/** Processes that may end without having begun with a job before it is given up. */
const MOST_STARTS = 3;

/** Processes that decode videos, each killed and started again where one hangs, grows or crashes. */
export function createDecoderPool({ jobs, deadlineSeconds, maxResidentBytes }: PoolOptions): DecoderPool {
  const waiting: Job[] = [];
  const idle = new Set<ChildProcess>();
  const all = new Set<ChildProcess>();
  let isClosed = false;

  function submit(message: DecodeJob, onFrames: OnFrames = () => {}) {
    return new Promise<DecodedFrames & { pixels?: Uint8Array }>((resolve, reject) => {
      if (isClosed) return reject(new Error('the decoder pool is closed'));
      waiting.push({ message, onFrames, resolve, reject, starts: 0 });
      dispatch();
    });
  }

  function dispatch(): void {
    while (!isClosed && waiting.length > 0 && (idle.size > 0 || all.size < jobs)) {
      const child = [...idle][0] ?? start();
      idle.delete(child);
      run(child, waiting.shift()!);
    }
  }

  function start(): ChildProcess {
    const child = startChild();
    all.add(child);
    child.once('exit', () => forget(child));
    child.on('error', () => forget(child)); // it could not be started, or is gone before it was written to
    return child;
  }

  function forget(child: ChildProcess): void {
    all.delete(child);
    idle.delete(child);
  }

  function run(child: ChildProcess, job: Job): void {
    let isBegun = false;
    let errors = '';
    let deadline = setTimeout(expire, 1000 * deadlineSeconds);
    const onExit = (code: number | null, signal: string | null) => end(signal ?? `exit code ${code}`);
    const onError = (error: Error) => end(error.message);
    const watch = setInterval(() => {
      if (residentBytes(child) > maxResidentBytes) {
        kill(new VideoError('memory', `decoding it took more than ${maxResidentBytes / 2 ** 20} MiB of memory`));
      }
    }, MEMORY_POLL_MS);
    child.on('message', onMessage).once('exit', onExit).once('error', onError);
    child.stderr?.on('data', onErrors);
    child.send(job.message, () => {}); // that it is gone is told by its end

    function expire(): void {
      kill(
        new VideoError(
          'deadline',
          `no frame of it came within ${deadlineSeconds} s; raise the deadline, or leave it out`,
        ),
      );
    }
    function kill(error: VideoError): void {
      forget(child);
      child.kill('SIGKILL');
      settle(() => job.reject(error));
    }
    function onMessage(reply: DecodeReply): void {
      if ('frames' in reply) {
        isBegun = true;
        clearTimeout(deadline);
        deadline = setTimeout(expire, 1000 * deadlineSeconds);
        job.onFrames(reply.frames);
        return;
      }
      if (all.has(child)) idle.add(child);
      settle(() => {
        if ('video' in reply) job.resolve(reply.video);
        else job.reject('code' in reply ? new VideoError(reply.code, reply.problem) : new Error(reply.failure));
      });
    }
    /** Its process is no more. One that ended before it began had another reason than this video. */
    function end(how: string): void {
      forget(child);
      settle(() => {
        if (isBegun) job.reject(new VideoError('crash', `decoding it ended its process (${how})`));
        else if (++job.starts < MOST_STARTS && !isClosed) waiting.unshift(job);
        else job.reject(new Error(`a process that decodes videos cannot be started (${how}) ${errors}`.trim()));
      });
    }
    function onErrors(text: Buffer): void {
      errors = (errors + text).slice(-2000);
    }
    function settle(finish: () => void): void {
      clearTimeout(deadline);
      clearInterval(watch);
      child.off('message', onMessage).off('exit', onExit).off('error', onError);
      child.stderr?.off('data', onErrors);
      finish();
      dispatch();
    }
  }

  return {
    decode: (file, options) => submit({ file, options }) as Promise<DecodedVideo>,
    decodeTo: (target, file, options, onFrames) => submit({ file, options, target }, onFrames),
    close() {
      isClosed = true;
      for (const job of waiting.splice(0)) job.reject(new Error('the decoder pool is closed'));
      for (const child of all) child.kill('SIGKILL');
    },
  };
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
  const options: ForkOptions = { serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] };
  if (!import.meta.url.endsWith('.ts')) {
    return fork(fileURLToPath(new URL('./decode-child.js', import.meta.url)), { ...options, execArgv: [] });
  }
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  return fork(fileURLToPath(new URL('./decode-child.ts', import.meta.url)), {
    ...options,
    execArgv: ['--import', tsx],
  });
}
