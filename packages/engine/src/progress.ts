import { SingleBar } from 'cli-progress';

/** Reports stages of a long set-up. */
export interface Progress {
  say(line: string): void;
  /** Starts a bar over `total` units; the returned functions move it and end it. */
  start(label: string, total: number, unit: 'MB' | 's'): Stage;
}

export interface Stage {
  update(done: number): void;
  end(): void;
}

/** A bar on a terminal; elsewhere a line every ten seconds. */
export function createProgress(stream: NodeJS.WritableStream = process.stderr): Progress {
  return {
    say: (line) => void stream.write(`${line}\n`),
    start(label, total, unit) {
      const bar = new SingleBar({
        stream,
        format: `${label.padEnd(34)} {bar} {value}/{total} ${unit}`,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        barsize: 24,
        hideCursor: true,
        noTTYOutput: true,
        notTTYSchedule: 10_000,
      });
      bar.start(Math.max(1, Math.round(total)), 0);
      return {
        update: (done) => bar.update(Math.min(Math.round(done), bar.getTotal())),
        end: () => bar.stop(),
      };
    },
  };
}

/** Moves a bar with `measure()` twice a second while `work` runs. */
export async function trackWhile<T>(
  stage: Stage,
  measure: () => number | Promise<number>,
  work: Promise<T>,
): Promise<T> {
  const timer = setInterval(async () => stage.update(await measure()), 500);
  try {
    const result = await work;
    stage.update(Number.POSITIVE_INFINITY); // full, whatever was estimated
    return result;
  } finally {
    clearInterval(timer);
    stage.end();
  }
}
