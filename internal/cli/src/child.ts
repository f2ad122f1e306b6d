import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const EXIT_STOPPED = 130;
const KEPT_OF_STDERR = 4000;

/** The child was ended by Ctrl-C or SIGTERM. */
export class Stopped extends Error {}

/** How a child ended. */
export interface Ended {
  /** As a shell has it: 128 and the signal's number where one ended it. */
  code: number;
  /** It, or this process while it ran, was told to stop. */
  isStopped: boolean;
  stdout: string;
  /** The last 4,000 characters. */
  stderr: string;
}

/** Starts a module as this process was started: from sources, by the same flags. */
export const startNode = (file: URL, args: readonly string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe']) =>
  spawn(process.execPath, [...process.execArgv, fileURLToPath(file), ...args], { stdio });

/**
 * Waits for a child's end, and keeps what it writes into its pipes; `onText` is told as it comes. A signal to this process is
 * passed on: a terminal sends Ctrl-C to the child as well, and our commands take the two for one. Throws if it could not start.
 */
export async function endOf(child: ChildProcess, onText: (text: string) => void = () => {}): Promise<Ended> {
  let [stdout, stderr, isStopped] = ['', '', false];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onText(text);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-KEPT_OF_STDERR);
    onText(text);
  });
  const forward = (signal: NodeJS.Signals) => {
    isStopped = true;
    child.kill(signal);
  };
  process.on('SIGINT', forward).on('SIGTERM', forward);
  try {
    const code = await new Promise<number>((done, failed) => {
      child.on('error', failed);
      child.on('close', (exitCode, signal) => done(exitCode ?? 128 + constants.signals[signal!]));
    });
    return { code, isStopped: isStopped || code === EXIT_STOPPED, stdout, stderr };
  } finally {
    process.off('SIGINT', forward).off('SIGTERM', forward);
  }
}

/** Runs a module to its end and returns its standard output. Throws `Stopped`, or an Error with the last line that it has said. */
export async function runNode(file: URL, args: readonly string[], onText?: (text: string) => void): Promise<string> {
  const { code, isStopped, stdout, stderr } = await endOf(startNode(file, args), onText);
  if (code === 0 && !isStopped) return stdout;
  if (isStopped) throw new Stopped(`${fileURLToPath(file)} was stopped`);
  // Commands end with a line of their name and the error, and more of it in the lines below.
  const lines = stderr.trim().split('\n');
  const said = lines.findLast((line) => /^[\w:-]+: /.test(line)) ?? lines.at(-1);
  throw new Error(said || `${fileURLToPath(file)} ended with ${code}`);
}
