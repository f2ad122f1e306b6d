import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const APPS = fileURLToPath(new URL('../../', import.meta.url));
const EXIT_STOPPED = 130;
const KEPT_OF_STDERR = 4000;

/** The child was ended by Ctrl-C or SIGTERM. */
export class Stopped extends Error {}

/**
 * Runs another app as its user would, in its own process; what it prints is appended to the file `log`. Returns its standard
 * output. Throws what it says of its failure, or `Stopped`; a signal to this process is passed on.
 */
export async function runApp(name: string, args: readonly string[], log?: string): Promise<string> {
  const main = join(APPS, name, 'src/main.ts');
  const child = spawn(process.execPath, [...process.execArgv, main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr, signalled] = ['', '', false];
  const keep = (text: string) => log && appendFileSync(log, text);
  keep(`\n$ ${name} ${args.join(' ')}\n`);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    keep(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_OF_STDERR);
    keep(text);
  });
  // A terminal sends Ctrl-C to the child as well; apps take the two for one.
  const forward = (signal: NodeJS.Signals) => {
    signalled = true;
    child.kill(signal);
  };
  process.on('SIGINT', forward).on('SIGTERM', forward);
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((done, failed) => {
      child.on('error', failed);
      child.on('close', (...end) => done(end));
    });
    if (signalled || code === EXIT_STOPPED) throw new Stopped(`${name} was stopped`);
    if (code === 0) return stdout;
    // Apps end with a line of their name and the error, and more of it in the lines below.
    const said = stderr.split('\n').findLast((line) => line.startsWith(`${name}: `));
    throw new Error(said ?? (signal ? `${name} was ended by ${signal}` : `${name} ended with ${code}`));
  } finally {
    process.off('SIGINT', forward).off('SIGTERM', forward);
  }
}
