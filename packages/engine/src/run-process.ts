import { spawn, spawnSync } from 'node:child_process';

export interface ProcessResult {
  /** Exit code; undefined if the command does not exist. */
  readonly code: number | undefined;
  /** Standard output and error together. */
  readonly output: string;
}

/** Runs a command to its end; a missing command or a bad exit is a result, not an exception. */
export function runProcess(command: string, args: readonly string[], env = process.env): Promise<ProcessResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve({ code: undefined, output: error.message });
      else reject(error);
    });
    child.on('close', (code, signal) =>
      resolve({ code: code ?? 128, output: signal ? `${output}\n${signal}` : output }),
    );
  });
}

/** As runProcess, while everything else in this process waits. */
export function runProcessSync(command: string, args: readonly string[], env = process.env): ProcessResult {
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (error) return { code: undefined, output: error.message };
  return { code: status ?? 128, output: [stdout, stderr, signal ?? ''].join('\n') };
}

/** The last lines of a command's output, indented for quoting. */
export const lastLines = (output: string, count = 6): string =>
  output
    .trim()
    .split('\n')
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n');
