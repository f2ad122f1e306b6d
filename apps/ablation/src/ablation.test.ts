import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countStepFlops, createRunFolder, loadConfig, openRunFolder, readMetrics, videoDiTConfig } from '@eflow/run';
import { runHere } from '@eflow/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { CellRecord, FailedCell } from './results.ts';

const root = mkdtempSync(join(tmpdir(), 'ablation-'));
afterAll(() => rmSync(root, { recursive: true }));

const main = new URL('./main.ts', import.meta.url);
const command = ['--import', 'tsx', '--conditions=@eflow/source', fileURLToPath(main)];

function ablation(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...command, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const ablationHere = (...args: string[]) => runHere(main, ...args);

/** A network of a few thousand parameters on frames that the classifier knows, and the objective that compiles soonest. */
const TINY = {
  'objective.kind': 'flowMatching',
  'training.keepRatio': 0.25,
  'network.hiddenSize': 24,
  'network.depth': [1, 1, 1],
  'training.batchSize': 4,
  'training.branches': 1,
  'training.previewEvery': 0,
  'optimizer.warmupSteps': 0,
};
const dense = { name: 'dense, "all"', patch: { 'training.keepRatio': 1 } };
const dropped = {
  name: 'dropped',
  measure: [{ steps: [2], clips: 256, guidance: 'path-drop', guidanceScale: 1.5 }],
};
/** Times that are infinity less infinity: each of its three steps gives NaN. */
const diverges = { name: 'diverges', patch: { 'objective.velocityTime': { mean: -1e39, std: 1e39 } } };

function writeStudy(name: string, cells: object[], more: object = {}): string {
  const study = { name, title: 'A <trial>', bases: ['digits-tiny'], patch: TINY, cells, budget: { steps: 3 }, ...more };
  const file = join(root, `${name}.yaml`);
  writeFileSync(file, stringify(study));
  return file;
}

describe('a study', () => {
  const out = join(root, 'study');
  const record = (id: string): CellRecord & FailedCell =>
    JSON.parse(readFileSync(join(out, 'cells', id, 'cell.json'), 'utf8'));
  const changedAt = (id: string) => statSync(join(out, 'cells', id, 'cell.json')).mtimeMs;
  const ids = [0, 1].flatMap((seed) => [`digits-tiny-dense-all-seed${seed}`, `digits-tiny-dropped-seed${seed}`]);

  it('trains and measures every cell with every seed, and writes tables, figures and a page that stands alone', () => {
    const { status, stdout, stderr } = ablation(writeStudy('study', [dense, dropped], { seeds: [0, 1] }), '--out', out);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(readdirSync(join(out, 'cells')).sort()).toEqual([...ids].sort());
    const trained = stdout.split('\n').filter((line) => line.includes(': training'));
    expect([...new Set(trained.map((line) => line.split(':')[0]))]).toEqual([
      'digits-tiny dense, "all", seed 0',
      'digits-tiny dropped, seed 0',
      'digits-tiny dense, "all", seed 1',
      'digits-tiny dropped, seed 1',
    ]);

    const last = record(ids[3]!);
    expect(last).toMatchObject({ base: 'digits-tiny', name: 'dropped', seed: 1, steps: 3 });
    expect(last.config).toMatchObject({ seed: 1, network: { hiddenSize: 24 }, training: { steps: 3 } });
    expect(record(ids[0]!).config.training.keepRatio).toBe(1);
    expect(last.environment.tensorflow).toMatch(/^\d/);
    expect(last.environment.commit).toMatch(/^[0-9a-f]{7,}$/);
    const [evaluation] = last.evaluations;
    expect(evaluation!.sampling.sampler).toBe('euler');
    expect(evaluation!.real.protocol.numGenerated).toBe(256);
    expect(evaluation!.results).toMatchObject([{ numSteps: 2, nfe: 2, weakNfe: 2 }]);

    // Three steps, all of which the mean is of.
    const losses = readMetrics(openRunFolder(join(out, 'cells', ids[3]!, 'run')).folder).map(({ loss }) => loss);
    expect(losses).toHaveLength(3);
    expect(last.stability!.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 6);
    expect(last.stability!.notFinite).toBe(0);
    const table = readFileSync(join(out, 'table.md'), 'utf8');
    expect(stdout).toContain(table);
    expect(table).toMatch(/\| digits-tiny \| dropped \| 0, 1 \| 3 \|/);
    expect(table).toMatch(/^\| digits-tiny \| dropped \| [\d.]+ \| [\d.]+ \| .* \| \d+ \| 0 \|$/m);
    expect(table).toMatch(/\| dropped \| euler, path-drop 1.5 \| 2 \| 2 \+ 2 weak \| \d+ \| \d+ \| \d+ \|/);
    const csv = readFileSync(join(out, 'table.csv'), 'utf8').trim().split('\n');
    expect(csv).toHaveLength(1 + 4);
    expect(csv[1]).toMatch(/^digits-tiny,"dense, ""all""",0,/);
    expect(JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')).cells).toHaveLength(4);
    for (const figure of ['quality-digits-tiny-256-clips', 'throughput', 'loss-digits-tiny']) {
      expect(readFileSync(join(out, 'figures', `${figure}.svg`), 'utf8')).toMatch(/^<svg .*dropped/s);
      expect(
        readFileSync(join(out, 'figures', `${figure}.png`))
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG');
    }
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
    expect(page).not.toContain('<trial>');
    expect(page.match(/<img /g)).toHaveLength(2); // of one seed at 2 steps, and real
    expect(page.match(/<details>/g)).toHaveLength(4);
  });

  it('run again with a changed cell, is refused; with --overwrite makes that anew, and keeps what is finished', async () => {
    const before = ids.map(changedAt);
    const changed = { ...dense, patch: { ...dense.patch, 'optimizer.emaDecay': 0.5 } };
    const study = writeStudy('study', [diverges, changed, dropped]);
    const refused = await ablationHere(study, '--out', out);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('optimizer.emaDecay is 0.99 there and 0.5 in the study');
    expect(refused.stderr).toContain('--overwrite');
    expect(ids.map(changedAt)).toEqual(before);

    const { status, stdout, stderr } = await ablationHere(study, '--out', out, '--overwrite');
    expect(ids.map((id, i) => changedAt(id) === before[i])).toEqual([false, true, true, true]);
    expect(record(ids[0]!).config.optimizer.emaDecay).toBe(0.5);

    // The cell that fails is told, and those after it have run.
    expect(status).toBe(1);
    expect(stderr).toContain('failed: digits-tiny diverges of seed 0');
    expect(record('digits-tiny-diverges-seed0').error).toMatch(/^train: step \d: the loss is NaN/);
    const log = readFileSync(join(out, 'cells/digits-tiny-diverges-seed0/log.txt'), 'utf8');
    expect(stdout).toContain(log.trim().split('\n').at(-1));
    expect(readFileSync(join(out, 'table.md'), 'utf8')).toMatch(/\| diverges \| - .*seed 0 failed: train: step/);
  });
});

it('stopped by Ctrl-C, leaves a checkpoint and goes on from it', async () => {
  const out = join(root, 'stopped');
  const study = writeStudy('stopped', [{ name: 'long' }], { budget: { steps: 150 } });
  const run = join(out, 'cells/digits-tiny-long-seed0/run');
  const metrics = () => readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const first = spawn(process.execPath, [...command, study, '--out', out], { stdio: 'ignore' });
  while (!existsSync(join(run, 'metrics.jsonl')) || metrics().length < 3) {
    if (first.exitCode !== null) throw new Error(`the study ended early with ${first.exitCode}`);
    await new Promise((r) => setTimeout(r, 50));
  }
  first.kill('SIGINT');
  expect(await new Promise((exit) => first.on('exit', exit))).toBe(130);
  const stoppedAt = metrics().length;
  expect(stoppedAt).toBeLessThan(150);
  expect(existsSync(join(run, '..', 'cell.json'))).toBe(false);

  const second = await ablationHere(study, '--out', out);
  expect(second.status, second.stderr).toBe(0);
  expect(metrics().map((line) => JSON.parse(line).step)).toEqual(Array.from({ length: 150 }, (_, step) => step));
  expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual([
    'step-000000',
    `step-${String(stoppedAt).padStart(6, '0')}`,
    'step-000150',
  ]);
});

it('measures a step five times before it plans by seconds, says each result, and knows it the next time', async () => {
  const out = join(root, 'timed');
  const study = writeStudy('timed', [{ name: 'timed' }]);
  const { status, stdout, stderr } = await ablationHere(study, '--out', out, '--seconds', '2');
  expect(status, stderr).toBe(0);
  for (const turn of [1, 2, 3, 4, 5]) expect(stdout).toContain(`measuring speed, turn ${turn} of 5\n`);
  const told = [...stdout.matchAll(/: a step takes ([\d.]+) ms\n/g)].map(([, milliseconds]) => Number(milliseconds));
  expect(told).toHaveLength(5);
  const [stepSeconds] = Object.values(JSON.parse(readFileSync(join(out, 'timings.json'), 'utf8'))) as [number];
  expect(1000 * stepSeconds).toBeCloseTo(Math.min(...told), 0);
  const { config } = JSON.parse(readFileSync(join(out, 'cells/digits-tiny-timed-seed0/cell.json'), 'utf8'));
  expect(config.training.steps).toBe(Math.floor((0.97 * 2) / stepSeconds));

  const again = await ablationHere(study, '--out', out, '--seconds', '2');
  expect(again.status, again.stderr).toBe(0);
  expect(again.stdout).not.toContain('measuring speed');
});

it('--dry-run lists the cells with an estimate, without training or writing anything', async () => {
  const out = join(root, 'dry');
  const { status, stdout, stderr } = await ablationHere(
    ...[writeStudy('dry', [dropped, dense], { seeds: [3, 5] }), '--seconds', '70', '--only', 'dropped'],
    ...['objective.weightEps=0.5', '--dry-run', '--out', out],
  );
  expect(status, stderr).toBe(0);
  const line = /dropped: up to (\d+) steps of at least ([\d.]+) ms, 1:10 for each seed; to run: 3, 5/;
  const [, steps, milliseconds] = line.exec(stdout)!.map(Number) as [number, number, number];
  // Milliseconds have three figures.
  expect(Math.abs((steps * milliseconds) / 1000 / (0.97 * 70) - 1)).toBeLessThan(0.01);
  const rate = Number(/at the rate of plain matrix products, ([\d.]+) GFLOP\/s just now/.exec(stdout)![1]);
  const tiny = ['network.hiddenSize=24', 'network.depth=1,1,1', 'training.batchSize=4', 'training.branches=1'];
  const config = loadConfig('digits-tiny', [...tiny, 'objective.kind=flowMatching', 'training.keepRatio=0.25']);
  const flops = countStepFlops(config, videoDiTConfig(config));
  expect((milliseconds * rate * 1e6) / flops).toBeCloseTo(1, 1);
  expect(stdout).toContain('    objective.weightEps=0.5\n');
  expect(stdout).toContain('2:20 in all');
  expect(stdout).not.toContain('dense');
  expect(existsSync(out)).toBe(false);

  // Where the study has measured, that is told, and nothing is estimated.
  mkdirSync(out);
  const key = ['digits-tiny', ...[...stdout.matchAll(/^ {4}(?!measured)(.*)$/gm)].map(([, override]) => override)];
  writeFileSync(join(out, 'timings.json'), JSON.stringify({ [key.join(' ')]: 0.5 }));
  const known = await ablationHere(
    join(root, 'dry.yaml'),
    '--only',
    'dropped',
    'objective.weightEps=0.5',
    '--dry-run',
    '--out',
    out,
  );
  expect(known.stdout).toContain('dropped: 3 steps of 500 ms, 0:02 for each seed; to run: 3, 5\n');
  expect(known.stdout).not.toMatch(/at least/i);
});

it('ends with 1 and names the cells that did not stay finite', async () => {
  const out = join(root, 'not-finite');
  const cell = join(out, 'cells/digits-tiny-dropped-seed0');
  const losses = { velocityLoss: 1 };
  const record = { base: 'digits-tiny', name: 'dropped', seed: 0, steps: 3, losses, evaluations: [], environment: {} };
  mkdirSync(join(cell, 'run'), { recursive: true });
  const config = loadConfig('digits-tiny');
  createRunFolder(join(cell, 'run'), config);
  writeFileSync(join(cell, 'run/metrics.jsonl'), '{"step":0,"seconds":1,"velocityLoss":1}\n');
  writeFileSync(
    join(cell, 'cell.json'),
    JSON.stringify({ ...record, config, stability: { loss: 1, lossSpread: 0, notFinite: 2 } }),
  );
  const { status, stdout, stderr } = await ablationHere(
    writeStudy('not-finite', [dropped]),
    '--out',
    out,
    '--report-only',
  );
  expect(stdout).toMatch(/\| 2 \|$/m);
  expect(stderr).toContain('loss or gradient was not finite in a step of digits-tiny dropped of seed 0');
  expect(status).toBe(1);
});

it('tells a wrong key in one clear error', async () => {
  const { status, stderr } = await ablationHere(writeStudy('wrong', [dropped]), 'training.batchsize=3');
  expect(status).toBe(1);
  expect(stderr).toContain("ablation: cell 'dropped': digits-tiny: one problem\n  training.batchsize: unknown key");
  expect(stderr).not.toContain('    at ');
});
