import { spawnSync } from 'node:child_process';
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
import { RECORD_FILE, readEntries } from '@eflow/record';
import { createRunFolder, loadConfig } from '@eflow/run';
import { runHere } from '@eflow/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { readCheckout } from './checkout.ts';
import { syntheticEntry } from './synthetic.ts';

const main = new URL('./main.ts', import.meta.url);
const root = mkdtempSync(join(tmpdir(), 'record-'));
afterAll(() => rmSync(root, { recursive: true }));

/** On one core, since no more than two may be used, and in a folder of its own, whose record it adds to. */
function record(cwd: string, ...args: string[]) {
  const core = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!;
  const node = [process.execPath, '--import', import.meta.resolve('tsx'), '--conditions=@eflow/source'];
  mkdirSync(cwd, { recursive: true });
  return spawnSync('taskset', ['--cpu-list', core, ...node, fileURLToPath(main), ...args], { cwd, encoding: 'utf8' });
}

describe('a trial', () => {
  const cwd = join(root, 'trial');
  const tiny = ['objective.kind=flowMatching', 'network.hiddenSize=24', 'network.depth=1,1,1', 'training.batchSize=4'];
  const args = ['--minutes', '0.3', '--seeds', '3,3', ...tiny];

  it('is trained for the steps that fit, measured at four numbers of passes, and printed alone', () => {
    const { status, stdout, stderr } = record(cwd, ...args);
    expect(status, stderr).toBe(0);
    const [id] = readdirSync(join(cwd, 'runs/record'));
    expect(id).toMatch(/^[0-9a-f]{7,}(-[0-9a-f]{7}){1,2}$/);
    const folder = join(cwd, 'runs/record', id!);
    expect(readdirSync(folder).sort()).toEqual(['0.3-minutes-seed-3', 'pace', 'pace.json']);
    const { compileSeconds, stepSeconds } = JSON.parse(readFileSync(join(folder, 'pace.json'), 'utf8'));
    const planned = Math.floor((0.95 * 18 - compileSeconds) / stepSeconds);
    expect(stdout).toContain(`0.3 minutes: ${planned.toLocaleString('en')} step`);

    const run = join(folder, '0.3-minutes-seed-3');
    const config = loadConfig(join(run, 'config.yaml'));
    expect(config).toMatchObject({ seed: 3, training: { steps: planned, maxSeconds: 18, previewEvery: 0 } });
    const row = stdout.split('\n').find((line) => line.includes('| objective.kind=flowMatching'))!;
    const [, , , distance, classRight, consistency, seeds, steps, seconds] = row.split('|').map((cell) => cell.trim());
    const { results } = JSON.parse(readFileSync(join(run, 'record.json'), 'utf8'));
    expect(results.map(({ nfe }: { nfe: number }) => nfe)).toEqual([1, 2, 4, 8]);
    expect(Number(distance) / results[2].frechetDistance).toBeCloseTo(1, 2);
    expect(classRight).toBe(`${(100 * results[2].classAccuracy).toFixed(1)} %`);
    expect(consistency).toBe(`${(100 * results[2].frameConsistency).toFixed(1)} %`);
    expect(seeds).toBe('3');
    const made = results[0].step.toLocaleString('en');
    expect(steps).toBe(results[0].step < planned ? `${made} of ${planned.toLocaleString('en')}` : made);
    expect(Number(seconds)).toBeGreaterThan(0);
    expect(stdout).toContain('Nothing was added to the record');
    expect(existsSync(join(cwd, 'docs'))).toBe(false);
  });

  it('is not trained again', () => {
    const [id] = readdirSync(join(cwd, 'runs/record'));
    const files = ['metrics.jsonl', 'record.json'].map((file) =>
      join(cwd, 'runs/record', id!, '0.3-minutes-seed-3', file),
    );
    const before = files.map((file) => statSync(file).mtimeMs);
    const { status, stdout } = record(cwd, ...args);
    expect(status).toBe(0);
    expect(stdout).not.toContain('Training');
    expect(files.map((file) => statSync(file).mtimeMs)).toEqual(before);
  });
});

it('adds seeds that are measured to the record, once', () => {
  const cwd = join(root, 'entry');
  const { seeds, protocol } = syntheticEntry('', [12, 11, 10]);
  const folder = join(cwd, 'runs/record', readCheckout().id);
  for (const { seed, steps, seconds, stepSeconds, scores, real } of seeds) {
    const run = join(folder, `3-minutes-seed-${seed}`);
    const { metrics } = createRunFolder(run, loadConfig('digits-tiny', [`seed=${seed}`]));
    writeFileSync(metrics, [0.5, stepSeconds, 0.01].map((s) => `${JSON.stringify({ stepSeconds: s })}\n`).join(''));
    const results = scores.map(({ passes, ...figures }) => ({
      nfe: passes,
      weakNfe: 0,
      step: steps,
      seconds,
      ...figures,
    }));
    writeFileSync(join(run, 'record.json'), JSON.stringify({ real: { ...real, protocol }, results }));
  }
  writeFileSync(join(folder, 'pace.json'), JSON.stringify({ compileSeconds: 2, stepSeconds: 0.14 }));
  const args = ['--minutes', '3', '--change', 'a <trial>', '--allow-dirty'];

  const { stdout: plan } = record(cwd, ...args, '--dry-run');
  expect(plan).toContain('3 minutes, seed 2: measured, in runs/record/');
  expect(plan).toContain('0 runs to go');
  expect(existsSync(join(cwd, 'docs'))).toBe(false);

  const { status, stderr } = record(cwd, ...args);
  expect(status, stderr).toBe(0);
  const [entry, ...others] = readEntries(join(cwd, RECORD_FILE));
  expect(others).toEqual([]);
  expect(entry).toMatchObject({ change: 'a <trial>', minutes: 3, seeds, protocol, machine: { cores: 1 } });
  expect(entry!.plannedSteps).toBe(Math.floor((0.95 * 180 - 2) / 0.14));
  expect(entry!.commit).toMatch(/^[0-9a-f]{7,}(-dirty)?$/);
  expect(entry!.date).toMatch(/^\d{4}-\d\d-\d\d$/);

  const page = join(cwd, RECORD_FILE.replace('.json', '.md'));
  const written = readFileSync(page, 'utf8');
  expect(written).toContain('| a <trial> | **11 (10 to 12)** |');
  expect(record(cwd, ...args).stdout).toContain('already');
  expect(readEntries(join(cwd, RECORD_FILE))).toEqual([entry]);
  rmSync(page);
  expect(record(cwd, '--table').status).toBe(0);
  expect(readFileSync(page, 'utf8')).toBe(written);
});

it('says beforehand what it would train, and how long that takes', async () => {
  const { status, stdout } = await runHere(main, '--dry-run', 'training.batchSize=16');
  expect(status).toBe(0);
  expect(stdout.match(/^(3|10) minutes, seed [012]: would be trained into runs\/record\/\S+$/gm)).toHaveLength(6);
  expect(stdout).toContain('6 runs to go, about 43:30,'); // 3 of 3 and 3 of 10 minutes, and 45 seconds to measure each
});

it.each([
  [['--change', 'Muon', 'seed=3'], "without 'seed=3'"],
  [['training.batchsize=3'], "did you mean 'batchSize'"],
  [['--minutes', '0'], 'expected a positive number'],
  [['--seeds', '0,a'], 'expected an integer of at least 0'],
])('refuses %j', async (args, message) => {
  const { status, stderr } = await runHere(main, ...args);
  expect(status).toBe(1);
  expect(stderr).toContain(message);
});
