/**
 * `pnpm test:kill`: ends a save at each of its system calls, and at random moments, and looks at what is left.
 *
 * strace injects SIGKILL, ENOSPC or EIO at the n-th write, sync, rename, mkdir or unlink of a save, for every n. After each: the checkpoint before it must be whole, the new one whole or invisible, nothing in between; the next save must work.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import '@tensorflow/tfjs-backend-cpu';
import { findLatestCheckpoint, listCheckpoints, loadCheckpoint } from '@eflow/checkpoint';
import { createProgress, integer, runProgram } from '@eflow/cli';
import { disposeTree, treeLeaves } from '@eflow/tensor';
import { Command } from 'commander';
import { build } from 'esbuild';
import { checkOrder } from './order.ts';

/** What a save does to the disk; `write` is what threads wake each other with, and one more moment to be ended at. */
const CALLS = ['pwrite64', 'fsync', 'rename', 'mkdir', 'unlink', 'rmdir'];
const FAULTS: [fault: string, calls: string[]][] = [
  ['signal=SIGKILL', [...CALLS, 'write']],
  ['error=ENOSPC', CALLS],
  ['error=EIO', CALLS],
];
/** The newest step that is whole before each attempt, and the one whose save is ended; step 0 is then pruned. */
const [BEFORE, ATTEMPT] = [1, 2];

type Verdict = 'passed' | 'HARD_FAIL' | 'SILENT_DIVERGENCE' | 'LOST_WORK';

const work = mkdtempSync(join(tmpdir(), 'eflow-kill-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));
const saver = join(work, 'saver.mjs');
const template = join(work, 'template');

async function main({ kills }: { kills: number }): Promise<void> {
  if (spawnSync('strace', ['-V']).error) {
    throw new Error('strace is not installed: install it (apt-get install strace), or run this where it is');
  }
  await build({
    entryPoints: [fileURLToPath(new URL('./saver.ts', import.meta.url))],
    outfile: saver,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@eflow/source'],
    logLevel: 'error',
    mainFields: ['module', 'main'], // one tfjs-core for its backend and for us
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  mustRun(template, 0, BEFORE);

  const verdicts: { what: string; verdict: Verdict; detail: string }[] = [];
  const note = (what: string, [verdict, detail]: [Verdict, string]) => {
    verdicts.push({ what, verdict, detail });
    if (verdict !== 'passed') console.log(`\n${verdict}: ${what}: ${detail}`);
  };

  const order = checkOrder(trace(fresh('order')));
  console.log(`Order of one save's ${order.calls} system calls: ${order.violations.length} violations`);
  for (const violation of order.violations) note('order', ['LOST_WORK', violation]);

  for (const [fault, calls] of FAULTS) {
    const counts: Record<string, number> = {};
    for (const call of calls) {
      for (let when = 1; ; when++) {
        const folder = fresh('fault');
        const { injected, saved } = inject(folder, call, `${fault}:when=${when}`);
        if (!injected) break;
        counts[call] = when;
        note(`${fault} at ${call} ${when}`, await inspectAndSave(folder, saved ? ATTEMPT : BEFORE));
      }
    }
    const points = Object.entries(counts).map(([call, count]) => `${call} ${count}`);
    console.log(`${fault} at every call of a save (${points.join(', ')}): ${failures(verdicts)} failures so far`);
  }

  const progress = createProgress(kills, 'random kills', { stays: true });
  const running = fresh('random');
  let acknowledged = BEFORE;
  try {
    for (let i = 0; i < kills; i++) {
      acknowledged = await killAtRandom(running, acknowledged);
      note(`random kill ${i}`, await inspect(running, acknowledged));
      progress.update(i + 1);
    }
  } finally {
    progress.end();
  }

  const count = (verdict: Verdict) => verdicts.filter((one) => one.verdict === verdict).length;
  console.log(
    `${verdicts.length} saves ended: ${count('passed')} passed, ` +
      `${count('HARD_FAIL')} corrupt, ${count('SILENT_DIVERGENCE')} silently different, ${count('LOST_WORK')} lost more than one interval`,
  );
  if (failures(verdicts) > 0) process.exitCode = 1;
}

const failures = (verdicts: readonly { verdict: Verdict }[]) =>
  verdicts.filter(({ verdict }) => verdict !== 'passed').length;

/** A folder that holds the checkpoints up to step BEFORE. */
function fresh(name: string): string {
  const folder = join(work, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(template, folder, { recursive: true });
  return folder;
}

/** One thread does all that is asynchronous: strace counts the calls of each thread. */
const environment = { ...process.env, UV_THREADPOOL_SIZE: '1' };

function mustRun(folder: string, first: number, last: number): void {
  const { status, stderr } = spawnSync(process.execPath, [saver, folder, String(first), String(last)], {
    env: environment,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`saving without a fault failed: ${stderr}`);
}

/** The file that lists the system calls of a save of step ATTEMPT. */
function trace(folder: string): string {
  const { log, status, stderr } = runTraced(folder, []);
  if (status !== 0) throw new Error(`tracing a save failed: ${stderr}`);
  return log;
}

/** Saves step ATTEMPT with a fault at one of its system calls; `injected` is false if it has fewer of them. */
function inject(folder: string, call: string, fault: string): { injected: boolean; saved: boolean } {
  const { log, status, signal } = runTraced(folder, ['-e', `inject=${call}:${fault}`]);
  const injected = signal === 'SIGKILL' || readFileSync(log, 'utf8').includes('(INJECTED)');
  return { injected, saved: status === 0 };
}

function runTraced(folder: string, flags: string[]) {
  const log = join(work, 'trace.txt');
  const step = String(ATTEMPT);
  const traced = ['-f', '-y', '-o', log, '-e', `trace=${[...CALLS, 'write'].join(',')}`, ...flags];
  const command = [process.execPath, saver, folder, step, step];
  return { log, ...spawnSync('strace', [...traced, ...command], { env: environment, encoding: 'utf8' }) };
}

/** What an ended save left; `saved` is the last step whose save had returned. */
async function inspect(folder: string, saved: number): Promise<[Verdict, string]> {
  const found = await listCheckpoints(folder);
  const damaged = found.find(({ problem }) => problem !== undefined);
  if (damaged) return ['HARD_FAIL', damaged.problem!];
  const newest = found[0]?.step ?? 0;
  if (newest < saved) return ['LOST_WORK', `the newest is of step ${newest}, step ${saved} had been saved`];
  const wrong = await findWrongWeight(folder);
  return wrong ? ['SILENT_DIVERGENCE', wrong] : ['passed', ''];
}

/** That, and whether the next save works and leaves nothing of the ended one. */
async function inspectAndSave(folder: string, saved: number): Promise<[Verdict, string]> {
  const result = await inspect(folder, saved);
  if (result[0] !== 'passed') return result;
  const { latest } = await findLatestCheckpoint(folder);
  mustRun(folder, latest!.step + 1, latest!.step + 1);
  const left = readdirSync(folder).filter((name) => name.includes('.tmp-'));
  return left.length > 0 ? ['LOST_WORK', `the next save left ${left.join(', ')}`] : result;
}

/** A weight of the newest checkpoint that is not the number of its step. */
async function findWrongWeight(folder: string): Promise<string | undefined> {
  const { step, config, trees } = await loadCheckpoint(folder);
  try {
    const values = treeLeaves(trees).flatMap((leaf) => [...leaf.dataSync()]);
    const wrong = values.find((value) => value !== step);
    if (wrong !== undefined || JSON.stringify(config) !== JSON.stringify({ step })) {
      return `step ${step} holds ${wrong}, config ${JSON.stringify(config)}`;
    }
    return undefined;
  } finally {
    disposeTree(trees);
  }
}

/** Saves step after step, and ends that at a random moment after its first; returns the last step whose save returned. */
async function killAtRandom(folder: string, acknowledged: number): Promise<number> {
  const first = acknowledged + 2; // the next one may have been saved without a word
  const child = spawn(process.execPath, [saver, folder, String(first), String(first + 10_000)]);
  let last = acknowledged;
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => {
    last = Number(line);
  });
  await once(lines, 'line');
  await setTimeout(60 * Math.random());
  child.kill('SIGKILL');
  await once(child, 'close');
  return last;
}

const program = new Command('test:kill')
  .description('Ends saves of checkpoints at every system call and at random moments, and looks at what is left.')
  .option('--kills <n>', 'random kills', integer(0), 200)
  .action(main);
await runProgram(program);
