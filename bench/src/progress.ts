import { formatClock } from '@eflow/cli';
import { SingleBar } from 'cli-progress';

export interface Progress {
  /** What runs now. */
  say(what: string): void;
  /** So much of what was planned is done, in the plan's own seconds. */
  advance(plannedSeconds: number): void;
  stop(): void;
}

/** On standard error: a live line on a terminal, a line every ten seconds elsewhere. The pace so far corrects the plan. */
export function createProgress(plannedSeconds: number): Progress {
  const bar = new SingleBar({
    format: '{bar} {percentage}% | {what} | {elapsed} + {left} to go',
    barsize: 16,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    stream: process.stderr,
  });
  const start = performance.now();
  let done = 0;
  let what = '';
  const update = () => {
    const elapsed = (performance.now() - start) / 1000;
    const left = done === 0 ? plannedSeconds : (elapsed / done) * (plannedSeconds - done);
    bar.update(Math.min(1, done / plannedSeconds) * 1000, {
      what,
      elapsed: formatClock(elapsed),
      left: formatClock(left),
    });
  };
  const timer = setInterval(update, 1000);
  bar.start(1000, 0, { what, elapsed: formatClock(0), left: formatClock(plannedSeconds) });
  return {
    say(now) {
      what = now;
      update();
    },
    advance(seconds) {
      done += seconds;
      update();
    },
    stop() {
      clearInterval(timer);
      bar.stop();
    },
  };
}
