import { formatClock } from './clock.ts';

/** Work that takes no longer shows nothing. */
const SILENT_SECONDS = 2;
/** Between two lines of a file or a pipe, and between two states of a terminal's line. */
const EVERY_SECONDS = 10;
const EVERY_SECONDS_ON_TERMINAL = 0.2;

export interface Progress {
  /** `done` of the total, which may be a fraction. */
  update(done: number): void;
  /** Clears the line. */
  end(): void;
}

/**
 * Shows on standard output how far work is that takes over two seconds, and how long it is likely to take: one live line on a
 * terminal, a line every ten seconds elsewhere. It needs no timer, so that it works while native calls block this process.
 */
export function createProgress(total: number, what: string): Progress {
  const { stdout } = process;
  const begin = performance.now();
  let next = SILENT_SECONDS;
  let isShown = false;
  return {
    update(done) {
      const seconds = (performance.now() - begin) / 1000;
      if (seconds < next || done >= total) return;
      next = seconds + (stdout.isTTY ? EVERY_SECONDS_ON_TERMINAL : EVERY_SECONDS);
      const left = (seconds / done) * (total - done);
      const line = `  ${Math.floor(done)} of ${total} ${what} | ${formatClock(seconds)} + ${formatClock(left)} to go`;
      stdout.write(stdout.isTTY ? `\r\u001B[K${line}` : `${line}\n`);
      isShown = true;
    },
    end() {
      if (isShown && stdout.isTTY) stdout.write('\r\u001B[K');
    },
  };
}
