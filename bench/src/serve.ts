// The child's half of `Child`, for TensorFlow.js.
import { createInterface } from 'node:readline';
import type { Reply, Request } from './child.ts';

/** Answers requests, one JSON line each on standard input, with one JSON line on standard output, until input ends. */
export async function serve<Asked extends Request, Answer extends Reply>(
  handlers: {
    readonly [Run in Asked['run']]: (request: Asked) => Answer | Promise<Answer>;
  },
): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Asked;
    const reply: Reply = await Promise.resolve(request)
      .then(handlers[request.run as Asked['run']])
      .catch((error: Error) => ({ error: error.message }));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

/** The seconds of one call, or of as many as fit into `forSeconds`; what a call made is released off the clock. */
export function timeCalls<T>(call: () => T, release: (made: T) => void, forSeconds = 0): number[] {
  const seconds: number[] = [];
  let total = 0;
  do {
    const start = performance.now();
    const made = call();
    const taken = (performance.now() - start) / 1000;
    release(made);
    seconds.push(taken);
    total += taken;
  } while (total < forSeconds);
  return seconds;
}
