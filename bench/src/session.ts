import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Machine as Base, createProgress as createLine, describeMachine as describeBase } from '@eflow/cli';
import { bfloat16Support } from '@eflow/engine';
import { setUpPython } from '@eflow/python';
import { type Command, Option } from 'commander';
import writeFileAtomic from 'write-file-atomic';
import type { Runtime } from './contestant.ts';

/** Flags and description of what every benchmark has. */
export const JSON_OPTION = [
  '--json [file]',
  'write all figures as JSON, into the file after every round, or to standard output at the end',
] as const;

/** An option that takes a list, with its default as the help shows it. */
export const listOption = <Value>(
  flags: string,
  description: string,
  parse: (text: string) => readonly Value[],
  value: readonly Value[],
  shown = value.join(','),
): Option => new Option(flags, description).argParser(parse).default(value, shown);

/** The flags of a command; `quick` has those that stand in the place of defaults. */
export function flagsOf<Flags extends { quick?: true }>(command: Command, quick: Partial<Flags>): Flags {
  const given = command.opts<Flags>();
  const isDefault = ([name]: [string, unknown]) => command.getOptionValueSource(name) === 'default';
  return { ...given, ...Object.fromEntries(Object.entries(given.quick ? quick : {}).filter(isDefault)) };
}

/** To standard error, so that standard output holds the report alone. */
export const say = (line: string): void => console.error(line);

/** What every benchmark command begins with. */
export interface Session {
  machine: Machine;
  /** What was left out, and why. */
  skipped: string[];
  skip(line: string): void;
}

export function startSession(): Session {
  const machine = describeMachine();
  if (machine.loadAverage > 0.5) {
    say(`Something else runs here: the load average is ${machine.loadAverage.toFixed(1)}.`);
  }
  const skipped: string[] = [];
  const skip = (line: string) => {
    skipped.push(line);
    say(line);
  };
  return { machine, skipped, skip };
}

/** The Python that the contestants need, and those of them that can be measured: all, or the ones without PyTorch. */
export async function setUpContestants<Contestant extends { runtime: Runtime }>(
  chosen: readonly Contestant[],
  { skip }: Session,
): Promise<{ contestants: readonly Contestant[]; python?: string }> {
  if (!chosen.some(({ runtime }) => runtime === 'torch')) return { contestants: chosen };
  try {
    return { contestants: chosen, python: await setUpTorch() };
  } catch (error) {
    skip(`PyTorch is skipped: ${(error as Error).message}`);
    return { contestants: chosen.filter(({ runtime }) => runtime !== 'torch') };
  }
}

const REQUIREMENTS = fileURLToPath(new URL('../torch/requirements.txt', import.meta.url));

/**
 * The Python of a virtual environment with the pinned PyTorch, in the user's cache folder. The first call makes it, which
 * downloads about 2.4 GB and takes 4.2 GB on disk. Throws, with pip's reason, if it cannot be had.
 */
async function setUpTorch(): Promise<string> {
  const version = /^torch==(.+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))![1]!;
  return setUpPython({
    name: `bench-torch-${version}`,
    requirements: REQUIREMENTS,
    check: 'torch',
    onInstall: (folder) =>
      say(`Installing PyTorch ${version} into ${folder}: 2.4 GB to download, 4.2 GB on disk, once.`),
  });
}

/** Prints what is kept; undefined while nothing is. */
let printKept: (() => void) | undefined;

/**
 * Makes the folder of the file `json`, and returns a function that measures `turns` turns and prints the report: for people, or
 * as JSON where no file was named. What `measure` keeps meanwhile stands in the file, in the place of the one before it, and
 * Ctrl-C prints it: whatever ends a benchmark, that is not lost. Throws if the file could not be written.
 */
export function createRecorder<Report extends object>(
  json: string | true | undefined,
  format: (report: Report) => string,
) {
  if (typeof json === 'string') requireWritable(json);
  const keep = (report: Report, complete: boolean) => {
    const text = `${JSON.stringify({ complete, ...report }, null, 2)}\n`;
    if (typeof json === 'string') writeFileAtomic.sync(json, text);
    const printed = json === true ? text : `${format(report)}\n${json === undefined ? '' : `\n${json}\n`}`;
    printKept = () => process.stdout.write(printed);
  };
  return async (
    turns: number,
    measure: (progress: Progress, keep: (report: Report) => void) => Promise<Report>,
  ): Promise<Report> => {
    const progress = createProgress(turns);
    const report = await measure(progress, (partial) => keep(partial, false)).finally(progress.stop);
    keep(report, true);
    printKept!();
    return report;
  };
}

function requireWritable(file: string): void {
  if (existsSync(file) && !statSync(file).isFile()) {
    throw new Error(`--json ${file} is no file; name one, or leave the name out to have standard output`);
  }
  mkdirSync(dirname(resolve(file)), { recursive: true });
  accessSync(dirname(resolve(file)), constants.W_OK);
}

/** Prints what was measured until now and ends the process, as Ctrl-C should. */
export function stopBenchmark(): never {
  say(printKept ? '\nStopped: here is what was measured until now.' : '\nStopped before a round was measured.');
  printKept?.();
  say('The same command begins anew.');
  process.exit(130);
}

export interface Machine extends Base {
  /** The system's, averaged over the last minute, when the benchmark began. */
  loadAverage: number;
  system: string;
  /** The CPU multiplies matrices in bfloat16. */
  hasBf16: boolean;
}

function describeMachine(): Machine {
  return {
    ...describeBase(),
    loadAverage: loadavg()[0]!,
    system: `${process.platform} ${process.arch} ${release()}`,
    hasBf16: bfloat16Support('cpu').supported,
  };
}

/** Counts turns: the first calls of each contestant, each of its rounds, and what is made to compare with. */
export interface Progress {
  /** What runs now. */
  say(what: string): void;
  /** One more turn is over. */
  advance(): void;
  stop(): void;
}

/** On standard error. What is left is told by the pace so far, so that it grows where later turns take longer. */
function createProgress(turns: number): Progress {
  const line = createLine(turns, 'turns', { stays: true });
  let done = 0;
  let what = '';
  return {
    say(now) {
      what = now;
      line.update(done, what);
    },
    advance: () => line.update(++done, what),
    stop: line.end,
  };
}

/**
 * Calls `use` with an empty folder, which is gone afterwards, and with the environment for children. torch.compile starts
 * from nothing, as everyone does here: what it compiled yesterday stays out of its first call.
 */
export async function withWorkFolder<T>(use: (folder: string, env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-bench-'));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  const inductor = join(folder, 'inductor');
  try {
    return await use(folder, { ...process.env, TORCHINDUCTOR_CACHE_DIR: inductor, PYTHONDONTWRITEBYTECODE: '1' });
  } finally {
    clean();
    process.off('exit', clean);
  }
}
