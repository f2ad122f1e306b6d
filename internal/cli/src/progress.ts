import { formatClock } from './clock.ts';

/** A terminal shows nothing of work that takes no longer, unless its line stays. */
const SILENT_SECONDS = 2;
/** Between two lines of a file or a pipe, and between two states of a terminal's line. */
const EVERY_SECONDS = 10;
const EVERY_SECONDS_ON_TERMINAL = 0.2;
const CELLS = 16;

export interface Progress {
  /**
   * `done` of the total, which may be a fraction, and what else stands in the line. `seconds` of a caller who knows better replace
   * the time since the start, and what is left at the pace so far.
   */
  update(done: number, text?: string, seconds?: { elapsed: number; left: number }): void;
  /** Clears the line, or lets it stay, with the newest state. */
  end(): void;
}

/**
 * Shows on standard error how far work is, and how long it is likely to take: one live line on a terminal, a line every ten
 * seconds elsewhere. Every update may draw, so that the line lives while native calls block this process; a timer lets the clock
 * go on where they do not. `unit` names what is counted; without it there is a share alone. A line that `stays`, for work of
 * minutes, is there from the first update on; another only once the work has taken a while. A narrow terminal shows its beginning.
 */
export function createProgress(total: number, unit = '', { stays = false } = {}): Progress {
  const { stderr } = process;
  const begin = performance.now();
  let next = stays ? 0 : stderr.isTTY ? SILENT_SECONDS : EVERY_SECONDS;
  let isShown = false;
  let state: Parameters<Progress['update']> = [0];
  const draw = () => {
    const elapsed = (performance.now() - begin) / 1000;
    next = elapsed + (stderr.isTTY ? EVERY_SECONDS_ON_TERMINAL : EVERY_SECONDS);
    const [done, text = '', seconds = { elapsed, left: (elapsed / done) * (total - done) }] = state;
    const share = Math.min(1, done / total);
    const bar = '█'.repeat(Math.round(CELLS * share)).padEnd(CELLS, '░');
    const count = unit && `${Math.floor(done)} of ${total} ${unit}`;
    const time = `${formatClock(seconds.elapsed)} + ${formatClock(seconds.left)} to go`;
    const line = [`${bar} ${Math.floor(100 * share)}%`, count, time, text].filter((part) => part !== '').join(' | ');
    stderr.write(stderr.isTTY ? `\r\u001B[K${line.slice(0, stderr.columns - 1)}` : `${line}\n`);
    isShown = true;
  };
  const drawIfDue = () => (performance.now() - begin) / 1000 >= next && (stays || state[0] < total) && draw();
  const timer = setInterval(drawIfDue, 1000).unref();
  return {
    update(...newest) {
      state = newest;
      drawIfDue();
    },
    end() {
      clearInterval(timer);
      if (stays) draw();
      if (isShown && stderr.isTTY) stderr.write(stays ? '\n' : '\r\u001B[K');
    },
  };
}
