import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { TINY } from './tiny.ts';

const app = (name: string) => fileURLToPath(new URL(`../../${name}/src/main.ts`, import.meta.url));
const node = ['--import', 'tsx', '--conditions=@eflow/source'];
const root = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(root, { recursive: true }));

function command(name: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, app(name), ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

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

    const sampled = command('sample', out, '--steps', '2', '--labels', '3,1,4');
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

    const again = command('sample', out, '--steps', '2');
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('exists: replace it with --overwrite');

    // A damaged newest checkpoint: named, and the one before it is used.
    writeFileSync(join(out, 'checkpoints', `step-${String(steps).padStart(6, '0')}`, 'ema.safetensors'), 'short');
    const fallback = command('sample', out, '--steps', '1');
    expect(fallback.status).toBe(0);
    expect(fallback.stdout).toContain('from step 0');
    const named = command(
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
    const args = [
      'digits-tiny',
      ...TINY,
      'training.steps=300',
      'training.checkpointEverySeconds=0.2',
      'training.maxRestarts=1',
    ];
    const metrics = join(out, 'metrics.jsonl');
    const steps = () => (existsSync(metrics) ? readFileSync(metrics, 'utf8').split('\n').length - 1 : 0);
    const training = spawn(process.execPath, [...node, app('train'), ...args, '--out', out]);
    let stderr = '';
    training.stderr.on('data', (text) => {
      stderr += text;
    });
    while (steps() < 5) await new Promise((r) => setTimeout(r, 5));
    process.kill(JSON.parse(readFileSync(join(out, 'train.lock'), 'utf8')).pid, 'SIGKILL');
    const [code] = await once(training, 'close');
    expect(stderr).toContain('Training was ended by SIGKILL; it goes on from its newest checkpoint (restart 1 of 1)');
    expect(code).toBe(0);
    const lines = readFileSync(metrics, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).step)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(existsSync(join(out, 'train.lock'))).toBe(false);

    const whole = command('train', ...args, '--out', join(root, 'whole'));
    expect(whole.status).toBe(0);
    const losses = (run: string) =>
      readFileSync(join(root, run, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ loss, gradNorm }) => [loss, gradNorm]);
    expect(losses('crashed')).toEqual(losses('whole'));

    const again = command('train', ...args, '--out', out);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('Done after 300 steps');
    const other = command('train', ...args, 'seed=1', '--out', out);
    expect(other.status).toBe(1);
    expect(other.stderr).toContain('holds a run of another config (seed is 0 there and 1 here)');
  });

  it('trains to the end where the reader of what it prints goes away', async () => {
    const out = join(root, 'unread');
    const args = ['digits-tiny', ...TINY, 'training.steps=40', 'training.checkpointEverySeconds=0.2', '--out', out];
    const training = spawn(process.execPath, [...node, app('train'), ...args]);
    let stderr = '';
    training.stderr.on('data', (text) => {
      stderr += text;
    });
    training.stdout.once('data', () => training.stdout.destroy());
    const [code] = await once(training, 'close');
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain('it goes on from its newest checkpoint');
    expect(readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n')).toHaveLength(40);
  });

  it('--overwrite leaves a run as it is where the new one cannot start', () => {
    const out = join(root, 'kept');
    const short = [...TINY, 'optimizer.warmupSteps=0', '--out', out];
    expect(command('train', 'digits-tiny', ...short, 'training.steps=1').status).toBe(0);
    const before = readFileSync(join(out, 'metrics.jsonl'), 'utf8');
    for (const change of [
      'training.initialWeights=/nowhere.safetensors',
      'data={ kind: videos, folder: /nowhere, height: 8, width: 8, numFrames: 2, numClasses: 2 }',
    ]) {
      const { status, stderr } = command('train', 'digits-tiny', ...short, change, '--overwrite');
      expect([status, stderr]).toEqual([1, expect.stringContaining('/nowhere')]);
      expect(readFileSync(join(out, 'metrics.jsonl'), 'utf8')).toBe(before);
    }
    const again = command('train', 'digits-tiny', ...short, 'training.steps=2', '--overwrite');
    expect(again.status, again.stderr).toBe(0);
    expect(readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n')).toHaveLength(2);
  });

  it('--dry-run prints what a run would be and writes nothing', () => {
    const { status, stdout } = command('train', 'digits-tiny', ...TINY, '--dry-run', '--out', join(root, 'dry'));
    expect(status).toBe(0);
    for (const line of [
      /tokens +4 = 1 x 2 x 2, of which the middle keeps 1/,
      /parameters +[\d,]+\n {2}encoder +[\d,]+\n {2}middle +[\d,]+\n {2}decoder +[\d,]+\n {2}rest +[\d,]+\n/,
      /forward pass +[\d.]+ with tokens dropped, [\d.]+ dense: \d+ % saved/,
      /weak path +[\d.]+, \d+ % of a dense forward pass/,
      /step +[\d.]+ with tokens dropped, [\d.]+ dense: \d+ % saved/,
      /objective +eflow: a step is 1 pass with gradient and 0\.75 without, and 1 of the weak path/,
      /a step +\d+ ms \(median of \d+\), \d+ clips\/s, [\d.]+ GFLOP\/s/,
      /memory +\d+ MB/,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(existsSync(join(root, 'dry'))).toBe(false);
  });

  it('--dry-run --json gives the figures as an object', () => {
    const { status, stdout } = command('train', 'digits-tiny', ...TINY, 'training.steps=50', '--dry-run', '--json');
    expect(status).toBe(0);
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ tokens: 4, keptTokens: 1, plannedSteps: 50 });
    expect(run.plannedSeconds).toBeCloseTo(50 * run.stepSeconds, 9);
    for (const key of ['parameters', 'stepFlops', 'peakResidentBytes']) expect(run[key]).toBeGreaterThan(0);
    expect(command('train', 'digits-tiny', '--json').stderr).toContain('--json goes with --dry-run');
  });

  it('a preset is written out in the config', () => {
    const { status, stdout } = command('train', 'digits-tiny', 'network.preset=VideoDiT-S', '--print-config');
    expect(status).toBe(0);
    expect(stdout).toMatch(/hiddenSize: 384/);
    expect(stdout).not.toContain('preset');
  });

  it('a run whose config is of another network says which tensors differ', () => {
    const out = join(root, 'edited');
    const trained = command(
      'train',
      'digits-tiny',
      ...TINY,
      'training.steps=1',
      'optimizer.warmupSteps=0',
      '--out',
      out,
    );
    expect(trained.status, trained.stderr).toBe(0);
    const config = join(out, 'config.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace('hiddenSize: 12', 'hiddenSize: 24'));
    const commands: [args: [string, ...string[]], file: string][] = [
      [['train', '--resume', out], 'params'],
      [['sample', out], 'ema'],
    ];
    for (const [args, file] of commands) {
      const { status, stderr } = command(...args);
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
  ])('%s %j: one clear error, no stack', (name, args, message) => {
    const { status, stderr } = command(name, ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });
});
