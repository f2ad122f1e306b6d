import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** One call of what `run` names, or as many as fit into `forSeconds`. */
export interface Request<Run extends string = string> {
  run: Run;
  forSeconds?: number;
}

/** What any child may answer. */
export interface Reply {
  error?: string;
  /** What each call took, if calls were asked for. */
  seconds?: number[];
  /** To `hello`: the version of the runtime. */
  version?: string;
  /** To the first call, from PyTorch: the fastest of several ways to write it. */
  form?: string;
}

/** A process that answers one JSON line with another. */
export interface Child<Asked extends Request = Request, Answer extends Reply = Reply> {
  ask(request: Asked): Promise<Answer>;
  /** Bytes in RAM now, and the most since the start or the last `resetPeak`. */
  memory(): { residentBytes: number; peakBytes: number };
  resetPeak(): void;
  /** Resolves when the process has ended; after this its memory is free. */
  stop(): Promise<void>;
}

const STDERR_KEPT = 2000;

/** Starts a child. `ask` throws, with the last of what it wrote, if it reports an error or dies. */
export function startChild<Asked extends Request, Answer extends Reply>(
  [command, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Child<Asked, Answer> {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  child.stdin.on('error', () => {}); // the process is dead: `ask` says so when no answer comes
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal ? `killed by ${signal}` : `exited with ${code}`));
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const proc = (file: string) => `/proc/${child.pid}/${file}`;
  // If memory runs out, this process goes first, and neither the parent nor anything else of the user's.
  if (child.pid) writeFileSync(proc('oom_score_adj'), '1000');

  return {
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(describeEnd(await ended, stderr));
      const reply = JSON.parse(value) as Answer;
      if (reply.error !== undefined) throw new Error(reply.error);
      return reply;
    },
    memory() {
      const status = readFileSync(proc('status'), 'utf8');
      const bytes = (field: string) => 1024 * Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]);
      return { residentBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
    },
    resetPeak: () => writeFileSync(proc('clear_refs'), '5'),
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

function describeEnd(end: string, stderr: string): string {
  const hint = end.endsWith('SIGKILL') ? ', most likely because memory ran out' : '';
  const last = stderr.trim().split('\n').slice(-3).join('\n');
  return `its process ${end}${hint}${last && `:\n${last}`}`;
}
