// Running commands for `pnpm packed`.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const bin = (name) => join(ROOT, 'node_modules/.bin', name);

/** Runs a command to its end: its output. Throws with the command and all that it printed. */
export const run = (command, args, options = {}) =>
  new Promise((done, failed) => {
    execFile(command, args, { cwd: ROOT, maxBuffer: 2 ** 26, ...options }, (error, stdout, stderr) => {
      if (!error) return done({ stdout, stderr });
      failed(new Error(`${[command, ...args].join(' ')}: ${error.signal ?? `exit ${error.code}`}\n${stdout}${stderr}`));
    }).stdin.end();
  });

/** Calls `act` on every item, `atOnce` of them at a time. */
export async function forEach(items, atOnce, act) {
  const queue = [...items];
  const worker = async () => {
    while (queue.length > 0) await act(queue.shift());
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
