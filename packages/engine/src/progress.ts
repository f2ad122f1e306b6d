/** Reports stages of a long set-up. */
export interface Progress {
  say(line: string): void;
  /** Starts a stage of `total` units; the returned functions tell how far it is, and that it has ended. */
  start(label: string, total: number, unit: 'MB' | 's'): Stage;
}

export interface Stage {
  update(done: number): void;
  end(): void;
}

/** A line for each stage, when it starts. */
export const createProgress = (stream: NodeJS.WritableStream = process.stderr): Progress => ({
  say: (line) => void stream.write(`${line}\n`),
  start(label, total, unit) {
    stream.write(`${label}: about ${Math.max(1, Math.round(total))} ${unit}\n`);
    return { update() {}, end() {} };
  },
});

/** Updates a stage with `measure()` twice a second while `work` runs. */
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
