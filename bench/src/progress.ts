import { createProgress as createLine } from '@eflow/cli';

/** Counts turns: the first calls of each contestant, each of its rounds, and what is made to compare with. */
export interface Progress {
  /** What runs now. */
  say(what: string): void;
  /** One more turn is over. */
  advance(): void;
  stop(): void;
}

/** On standard error. What is left is told by the pace so far, so that it grows where later turns take longer. */
export function createProgress(turns: number): Progress {
  const line = createLine(turns, 'turns', { stays: true });
  let done = 0;
  let what = '';
  return {
    say(now) {
      what = now;
      line.update(done, what);
    },
    advance: () => line.update(++done, what),
    stop: line.end,
  };
}
