import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runHere } from '@eflow/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TINY } from './tiny.ts';

const app = (name: string) => fileURLToPath(new URL(`../../${name}/src/main.ts`, import.meta.url));
const node = ['--import', 'tsx', '--conditions=@eflow/source'];
const root = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(root, { recursive: true }));

async function command(name: string, ...args: string[]) {
  const child = spawn(process.execPath, [...node, app(name), ...args]);
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      said[stream] += text;
    });
  }
  const [status] = await once(child, 'close');
  return { status, ...said };
}

/** What train refuses is no process to wait for. */
const refusal = (...args: string[]) => runHere(pathToFileURL(app('train')), ...args);

/** A whole run, and how it ended; whoever read what it printed went away after the first of it. */
const whole = join(root, 'whole');
const wholeArgs = [
  ...['digits-tiny', ...TINY, 'training.steps=20', 'optimizer.warmupSteps=5'],
  'training.checkpointEverySeconds=0.001',
];
let wholeEnd: { code: number; stderr: string };
beforeAll(async () => {
  const training = spawn(process.execPath, [...node, app('train'), ...wholeArgs, '--out', whole]);
  let stderr = '';
  training.stderr.on('data', (text) => {
    stderr += text;
  });
  training.stdout.once('data', () => training.stdout.destroy());
  const [code] = await once(training, 'close');
  wholeEnd = { code, stderr };
});

const readLines = (run: string) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('train and sample as commands', () => {
  it('Ctrl-C leaves a checkpoint that sample can use', async () => {
    const out = join(root, 'stopped');
    const training = spawn(process.execPath, [
      ...[...node, app('train'), 'digits-tiny', ...TINY, 'training.steps=1000000', 'training.maxSeconds=1000000'],
      ...['--out', out],
    ]);
    const metrics = join(out, 'metrics.jsonl');
    while (!existsSync(metrics) || readFileSync(metrics, 'utf8').split('\n').length < 4) {
      if (training.exitCode !== null) throw new Error(`train ended early with ${training.exitCode}`);
      await new Promise((r) => setTimeout(r, 50));
    }
    training.kill('SIGINT');
    training.kill('SIGINT'); // as when a terminal and a parent both pass one Ctrl-C on
    expect(await new Promise((exit) => training.on('exit', exit))).toBe(130);
    const steps = readFileSync(metrics, 'utf8').trim().split('\n').length;
    expect(readdirSync(join(out, 'checkpoints'))).toContain(`step-${String(steps).padStart(6, '0')}`);

    const sampled = await command('sample', out, '--steps', '2', '--labels', '3,1,4');
    expect(sampled.stderr).toBe('');
    expect(sampled.status).toBe(0);
    const folder = join(out, 'samples-2-steps');
    expect(readdirSync(folder)).toEqual(
      expect.arrayContaining(['samples.gif', 'samples.json', 'samples.png', 'samples.webp']),
    );
    expect(JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8'))).toMatchObject({
      step: steps,
      labels: [3, 1, 4],
      steps: 2,
    });

    const again = await command('sample', out, '--steps', '2');
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('exists: replace it with --overwrite');

    // A damaged newest checkpoint: named, and the one before it is used.
    writeFileSync(join(out, 'checkpoints', `step-${String(steps).padStart(6, '0')}`, 'ema.safetensors'), 'short');
    const fallback = await command('sample', out, '--steps', '1', '--count', '2');
    expect(fallback.status).toBe(0);
    expect(fallback.stdout).toContain('from step 0');
    const named = await command(
      'sample',
      out,
      '--steps',
      '1',
      '--overwrite',
      '--checkpoint',
      `step-${String(steps).padStart(6, '0')}`,
    );
    expect(named.status).toBe(1);
    expect(named.stderr).toContain('ema.safetensors');
  });

  it('goes on after a crash, and by the same command, as if nothing had been', async () => {
    const out = join(root, 'crashed');
    // Kills what trains, once, when it has written the metrics of 6 steps, the last of which no checkpoint holds yet.
    const crash = join(root, 'crash.mjs');
    const files = [join(out, 'metrics.jsonl'), join(out, 'train.lock'), join(root, 'crash.done')];
    writeFileSync(
      crash,
      `import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      const [metrics, lock, done] = ${JSON.stringify(files)};
      const { appendFileSync } = fs;
      fs.appendFileSync = (file, text) => {
        appendFileSync(file, text);
        if (file !== metrics || JSON.parse(text).step < 5 || fs.existsSync(done)) return;
        fs.writeFileSync(done, '');
        process.kill(JSON.parse(fs.readFileSync(lock, 'utf8')).pid, 'SIGKILL');
      };
      syncBuiltinESMExports();`,
    );
    const args = [...wholeArgs, 'training.maxRestarts=1', '--out', out];
    const training = spawn(process.execPath, [...node, '--import', crash, app('train'), ...args]);
    let stderr = '';
    training.stderr.on('data', (text) => {
      stderr += text;
    });
    const [code] = await once(training, 'close');
    expect(stderr).toContain('Training was ended by SIGKILL; it goes on from its newest checkpoint (restart 1 of 1)');
    expect(code).toBe(0);
    expect(readLines(out).map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(existsSync(join(out, 'train.lock'))).toBe(false);
    const losses = (run: string) => readLines(run).map(({ loss, gradNorm }) => [loss, gradNorm]);
    expect(losses(out)).toEqual(losses(whole));

    const again = await command('train', ...args);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('Done after 20 steps');
    const other = await command('train', ...args, 'seed=1');
    expect(other.status).toBe(1);
    expect(other.stderr).toContain('holds a run of another config (seed is 0 there and 1 here)');
  });

  it('trains to the end where the reader of what it prints goes away', () => {
    expect(wholeEnd.code, wholeEnd.stderr).toBe(0);
    expect(wholeEnd.stderr).not.toContain('it goes on from its newest checkpoint');
    expect(readLines(whole)).toHaveLength(20);
  });

  it('--overwrite leaves a run as it is where the new one cannot start', async () => {
    const out = join(root, 'kept');
    const short = [...TINY, 'optimizer.warmupSteps=0', '--out', out];
    cpSync(whole, out, { recursive: true });
    const before = readFileSync(join(out, 'metrics.jsonl'), 'utf8');
    for (const change of [
      'training.initialWeights=/nowhere.safetensors',
      'data={ kind: videos, folder: /nowhere, height: 8, width: 8, numFrames: 2, numClasses: 2 }',
    ]) {
      const { status, stderr } = await command('train', 'digits-tiny', ...short, change, '--overwrite');
      expect([status, stderr]).toEqual([1, expect.stringContaining('/nowhere')]);
      expect(readFileSync(join(out, 'metrics.jsonl'), 'utf8')).toBe(before);
    }
    const again = await command('train', 'digits-tiny', ...short, 'training.steps=2', '--overwrite');
    expect(again.status, again.stderr).toBe(0);
    expect(readLines(out)).toHaveLength(2);
  });

  // These two measure for seconds each, at the same time.
  it.concurrent('--dry-run prints what a run would be and writes nothing', async () => {
    const { status, stdout } = await command('train', 'digits-tiny', ...TINY, '--dry-run', '--out', join(root, 'dry'));
    expect(status).toBe(0);
    for (const line of [
      /tokens +4 = 1 x 2 x 2, of which the middle keeps 1/,
      /parameters +[\d,]+\n {2}encoder +[\d,]+\n {2}middle +[\d,]+\n {2}decoder +[\d,]+\n {2}rest +[\d,]+\n/,
      /forward pass +[\d.]+ with tokens dropped, [\d.]+ dense: \d+ % saved/,
      /weak path +[\d.]+, \d+ % of a dense forward pass/,
      /step +[\d.]+ with tokens dropped, [\d.]+ dense: \d+ % saved/,
      /objective +eflow: a step is 1 pass with gradient and 0\.75 without, and 1 of the weak path/,
      /a step +\d+ ms \(\d+ ms with tokens dropped in 95 % of the steps, median of \d+; \d+ ms in 5 % of the steps, median of \d+\), \d+ clips\/s, [\d.]+ GFLOP\/s/,
      /memory +\d+ MB/,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(existsSync(join(root, 'dry'))).toBe(false);
  });

  it.concurrent('--dry-run --json gives the figures as an object', async () => {
    const { status, stdout } = await command(
      'train',
      'digits-tiny',
      ...TINY,
      'training.steps=50',
      '--dry-run',
      '--json',
    );
    expect(status).toBe(0);
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ tokens: 4, keptTokens: 1, plannedSteps: 50 });
    expect(run.plannedSeconds).toBeCloseTo(50 * run.stepSeconds, 9);
    for (const key of ['parameters', 'stepFlops', 'peakResidentBytes']) expect(run[key]).toBeGreaterThan(0);
    expect((await refusal('digits-tiny', '--json')).stderr).toContain('--json goes with --dry-run');
  });

  it('a preset is written out in the config', async () => {
    const { status, stdout } = await command('train', 'digits-tiny', 'network.preset=VideoDiT-S', '--print-config');
    expect(status).toBe(0);
    expect(stdout).toMatch(/hiddenSize: 384/);
    expect(stdout).not.toContain('preset');
  });

  it('a run whose config is of another network says which tensors differ', async () => {
    const out = join(root, 'edited');
    cpSync(whole, out, { recursive: true });
    const config = join(out, 'config.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace('hiddenSize: 12', 'hiddenSize: 24'));
    const commands: [args: [string, ...string[]], file: string][] = [
      [['train', '--resume', out], 'params'],
      [['sample', out], 'ema'],
    ];
    for (const [args, file] of commands) {
      const { status, stderr } = await command(...args);
      expect(status).toBe(1);
      expect(stderr).toContain(`${file}.safetensors does not fit the network: 'patchEmbed.weight' is [32, 12] here`);
      expect(stderr).not.toContain('    at ');
    }
  });

  it.each([
    ['train', ['digits-tiny', 'training.batchsize=8'], "did you mean 'batchSize'"],
    ['train', ['digits-tiny', 'network.patchSize=2,5,4'], 'height 16 is not a multiple of its patch, 5'],
    ['train', ['--resume', join(root, 'nowhere')], 'no run here'],
    ['sample', [join(root, 'nowhere')], 'no run here'],
    ['sample', [join(root, 'nowhere'), '--steps', '0'], 'expected an integer of at least 1'],
  ])('%s %j: one clear error, no stack', async (name, args, message) => {
    const isOfConfig = args[0] === 'digits-tiny';
    const { status, stderr } = isOfConfig ? await refusal(...args) : await command(name, ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });
});
