import { SingleBar } from 'cli-progress';

/** Work that takes less long passes without a bar. */
const PATIENCE_MS = 2000;
const LINE_EVERY_MS = 10_000;

/** A bar on stderr with a total and the time that is left; where that is no terminal, a line every ten seconds. */
const createBar = (what: string, unit: string): SingleBar =>
  new SingleBar({
    format: `${what.padEnd(9)} {bar} {value} of {total} ${unit} | {duration_formatted}, {eta_formatted} left`,
    barsize: 20,
    noTTYOutput: true,
    notTTYSchedule: LINE_EVERY_MS,
    stream: process.stderr,
  });

/** Shows how many of the videos were looked at. */
export function showVideos(what: string, total: number): { update(done: number, total: number): void; stop(): void } {
  const bar = createBar(what, 'videos');
  bar.start(total, 0);
  return {
    update(done, total) {
      bar.setTotal(total);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}

/** Shows how far the figures are, which are computed in one go, so that no timer fires meanwhile. */
export function showFigures(): { update(done: number, total: number): void; stop(): void } {
  const bar = createBar('figures', 'steps');
  let next = Date.now() + PATIENCE_MS;
  return {
    update(done, total) {
      if (bar.isActive) bar.update(done);
      if (Date.now() < next) return;
      if (bar.isActive) bar.render();
      else bar.start(total, done);
      next = Date.now() + (process.stderr.isTTY ? 100 : LINE_EVERY_MS);
    },
    stop: () => bar.stop(),
  };
}
