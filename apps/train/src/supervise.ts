import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { appFile, countOf } from '@eflow/cli';
import type { RunConfig } from '@eflow/run';

/** Training was ended by Ctrl-C or SIGTERM and left a checkpoint. */
export const EXIT_STOPPED = 130;
/** Training failed for a reason that it has said; starting it again would not help. */
const EXIT_FAILED = 1;
const SAME_SIGNAL_MS = 1000;
const WORKER = fileURLToPath(appFile('train', 'worker'));

/**
 * A new run, which goes on with one of the same config that is there; one in the place of another; or one that goes on, perhaps with
 * changes.
 */
export type Start = 'new' | 'overwrite' | 'resume';

/** What to train, and where. */
export interface Task {
  config: RunConfig;
  /** The run's folder. */
  root: string;
  start: Start;
  eager: boolean;
}

/** What the worker is sent: first its task, later perhaps that it is to stop. */
export type Message = Task | 'stop';

/**
 * Trains in a process of its own, since TensorFlow keeps a process from hearing signals, and starts it again, from its newest
 * checkpoint, up to `maxRestarts` times if it crashes. A signal to this process lets the step be finished and a checkpoint
 * be written; a second one ends both at once. Returns the exit code.
 */
export async function supervise({ config, root, start, eager }: Task): Promise<number> {
  const { maxRestarts } = config.training;
  let worker = startWorker({ config, root, start, eager });
  let stoppedAt = Number.POSITIVE_INFINITY;
  const isStopping = () => stoppedAt < Number.POSITIVE_INFINITY;
  const stop = (signal: NodeJS.Signals) => {
    // One Ctrl-C may come twice, from the terminal and from a parent that passes it on.
    if (performance.now() - stoppedAt > SAME_SIGNAL_MS) {
      worker.kill('SIGKILL');
      process.exit(EXIT_STOPPED);
    }
    if (isStopping()) return;
    stoppedAt = performance.now();
    console.error(`\n${signal}: finishing this step and writing a checkpoint; once more to stop at once.`);
    if (worker.connected) worker.send('stop' satisfies Message);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    for (let restarts = 0; ; restarts++) {
      const [code, signal] = await ended(worker);
      if (code === 0 || code === EXIT_STOPPED || code === EXIT_FAILED) return code;
      const how = signal ? `ended by ${signal}` : `ended with ${code}`;
      if (isStopping()) return EXIT_FAILED;
      if (restarts === maxRestarts) {
        console.error(
          `\ntrain: training was ${how}, and was started again ${countOf(restarts, 'time')} (training.maxRestarts); the same command goes on from the newest checkpoint`,
        );
        return EXIT_FAILED;
      }
      console.error(
        `\nTraining was ${how}; it goes on from its newest checkpoint (restart ${restarts + 1} of ${maxRestarts}).`,
      );
      // What was there before is replaced once.
      worker = startWorker({ config, root, start: start === 'overwrite' ? 'new' : start, eager });
    }
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function startWorker(task: Task) {
  const child = fork(WORKER, { execArgv: process.execArgv });
  child.send(task satisfies Message);
  return child;
}

const ended = (child: ReturnType<typeof fork>) =>
  new Promise<[number | null, NodeJS.Signals | null]>((done, failed) => {
    child.on('error', failed);
    child.on('exit', (...end) => done(end));
  });
