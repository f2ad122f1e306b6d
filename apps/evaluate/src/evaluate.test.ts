import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeClips, writeClips } from '@eflow/data';
import type { Measurement } from '@eflow/measure';
import { createRunFolder, loadConfig, openClips, openRunFolder } from '@eflow/run';
import { runHere } from '@eflow/testing';
import { afterAll, expect, it } from 'vitest';
import type { Evaluation } from './evaluation.ts';

const root = mkdtempSync(join(tmpdir(), 'evaluate-'));
afterAll(() => rmSync(root, { recursive: true }));

function command(app: string, ...args: string[]) {
  const main = fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));
  const node = ['--import', 'tsx', '--conditions=@eflow/source'];
  return spawnSync(process.execPath, [...node, main, ...args], { encoding: 'utf8' });
}

it('measures a run, untrained and at its end, beside real clips, and writes a page that stands alone', () => {
  const run = join(root, 'run');
  const changes = [
    'network.hiddenSize=24',
    'network.depth=1,1,1',
    'training.batchSize=4',
    'training.branches=1',
    'objective.velocityWarmup=0',
    'training.steps=3',
    'optimizer.warmupSteps=0',
    'measurement.heldOutEvery=3',
    'training.keepBest=heldOutVelocityLoss',
  ];
  expect(command('train', 'digits-tiny', ...changes, '--out', run).status).toBe(0);

  const { status, stdout, stderr } = command('evaluate', run, '--steps', '1,4', '--clips', '256');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('untrained');
  const { real, results, asked, sampling }: Evaluation = JSON.parse(readFileSync(join(run, 'evaluation.json'), 'utf8'));
  expect(results.map(({ step, numSteps }) => [step, numSteps])).toEqual([
    [0, 1],
    [0, 4],
    [3, 1],
    [3, 4],
  ]);
  expect(asked.join('')).toBe('01234567890123456789');
  expect(sampling).toEqual({ sampler: 'few-step', grid: 'uniform', weights: 'ema', seed: 0 });
  expect(results[0]!.protocol).toMatchObject({
    numGenerated: 256,
    numReal: 256,
    covarianceRule: 'N-1',
    split: 'held-out',
  });
  // A network that predicts 0 leaves the noise as it is: far from real clips, which are near to one another.
  expect(results[0]!.frechetDistance).toBe(results[1]!.frechetDistance);
  expect(results[0]!.frechetDistance).toBeGreaterThan(20 * real.frechetDistance);
  expect(results[0]!.classAccuracy).toBeLessThan(0.2);
  expect(real.classAccuracy).toBeGreaterThan(0.95);
  expect(real.frameConsistency).toBeGreaterThan(0.9);

  const best = command('evaluate', run, '--checkpoint', 'best', '--steps', '1', '--clips', '256', '--out', 'best');
  expect([best.status, best.stderr]).toEqual([0, '']);
  const ofBest: Evaluation = JSON.parse(readFileSync(join(run, 'best.json'), 'utf8'));
  expect(ofBest.results.map(({ step, frechetDistance }) => [step, frechetDistance])).toEqual([
    [3, results[2]!.frechetDistance],
  ]);
  const none = command('evaluate', run, '--checkpoint', 'step-000001');
  expect([none.status, none.stderr]).toEqual([1, expect.stringContaining('it has step-000000, step-000003')]);

  const page = readFileSync(join(run, 'report.html'), 'utf8');
  expect(page).not.toMatch(/(src|href)="(?!data:)/);
  expect(page.match(/<img /g)).toHaveLength(2 + 1 + 2); // at 4 steps: untrained, trained; real; after training: 1 and 4 steps
  expect(page.match(/<svg /g)!.length).toBeGreaterThanOrEqual(4);
});

it('measures whether clips show what their captions say, of combinations that training has and of others', () => {
  const run = join(root, 'text');
  const changes = ['network.hiddenSize=24', 'network.depth=1,1,1', 'text.width=16', 'text.depth=1', 'text.numHeads=1'];
  const once = ['training.batchSize=4', 'training.branches=1', 'training.steps=1', 'optimizer.warmupSteps=0'];
  expect(command('train', 'digits-text', ...changes, ...once, '--out', run).status).toBe(0);
  const { status, stdout } = command('evaluate', run, '--last', '--steps', '4', '--clips', '320');
  expect(status).toBe(0);
  expect(stdout).toContain('of combinations that training has / of those that it leaves out');

  const { real, results, asked }: Evaluation = JSON.parse(readFileSync(join(run, 'evaluation.json'), 'utf8'));
  expect(asked[0]).toMatch(/^a \w+ \d moves (left|right|up|down)$/);
  const { every, seen, unseen, swapped } = real.factors!;
  expect(Math.min(...Object.values(every))).toBeGreaterThan(0.94);
  expect(Math.min(seen!.all!, unseen!.all!)).toBeGreaterThan(0.9);
  for (const [factor, values] of Object.entries({ digit: 10, colour: 8, direction: 4, all: 320 }))
    expect(swapped[factor]! * values).toBeCloseTo(1, 0);
  // Noise shows nothing.
  expect(results[0]!.factors!.every.all!).toBeLessThan(0.05);
  const page = readFileSync(join(run, 'report.html'), 'utf8');
  expect(page).toContain('Below each clip stands what it was asked for.');
  expect(asked).toHaveLength(20);
});

it('measures what eflow-fvd does of the same clips, so that one table may hold both', async () => {
  const eflowFvd = (...args: string[]) =>
    runHere(new URL('../../../packages/measure/src/cli.ts', import.meta.url), ...args);
  const run = join(root, 'run');
  const [real, generated] = [join(root, 'real'), join(root, 'generated')];
  const { config } = openRunFolder(run);
  writeClips(real, takeClips(openClips(config, 'held-out'), 0, 256));
  const sample = ['--steps', '4', '--count', '256', '--scale', '1', '--out', join(root, 'pictures')];
  expect(command('sample', run, ...sample, '--shards', generated).status).toBe(0);
  const measureBy = async (protocol: string) => {
    const json = join(root, `${protocol}.json`);
    const flags = ['--extractor', 'digits', '--frames', '8', '--split', 'held-out', '--no-cache', '--json', json];
    expect((await eflowFvd(real, generated, ...flags, '--protocol', protocol)).status).toBe(0);
    return json;
  };
  const evaluated = join(run, 'evaluation.json');
  const measured = await measureBy('common-metrics'); // whose covariance is over N - 1
  const other: Measurement = JSON.parse(readFileSync(measured, 'utf8'));
  const { results }: Evaluation = JSON.parse(readFileSync(evaluated, 'utf8'));
  const own = results.at(-1)!;
  expect([own.step, own.numSteps]).toEqual([3, 4]);
  expect(other.protocol).toEqual(own.protocol);
  expect(other.frechetDistance / own.frechetDistance).toBeCloseTo(1, 5);
  expect(other.kernelDistance / own.kernelDistance).toBeCloseTo(1, 5);
  expect(other.motion!.motion.generated).toBeCloseTo(own.motion!.motion.generated, 9);

  expect((await eflowFvd('table', evaluated, measured)).stdout).toMatch(
    /^\| evaluation, step 3, 4 steps \| (\S+) \|.*\n\| common-metrics \| \1 \|/m,
  );
  const refused = await eflowFvd('table', evaluated, await measureBy('stylegan-v'));
  expect(refused.stderr).toContain('covarianceRule is N-1 in one result and N in another');
  const old = { protocol: { extractorSha256: 'ab' }, results: [{ frechetDistance: 1 }] };
  writeFileSync(join(root, 'old.json'), JSON.stringify(old));
  expect((await eflowFvd('table', join(root, 'old.json'))).stderr).toContain('measure again');
});

it('refuses what it cannot measure', async () => {
  const evaluateHere = (...args: string[]) => runHere(new URL('./main.ts', import.meta.url), ...args);
  const missing = await evaluateHere(join(root, 'nowhere'));
  expect(missing.status).toBe(1);
  expect(missing.stderr).toContain('no run here');
  const few = await evaluateHere(join(root, 'nowhere'), '--clips', '10');
  expect(few.stderr).toContain('expected an integer of at least 256');
  const large = join(root, 'large');
  createRunFolder(large, loadConfig('digits-tiny', ['data.height=32']));
  const { status, stderr } = await evaluateHere(large);
  expect(status).toBe(1);
  expect(stderr).toContain('frames of 16x16; data.height and data.width are 32 and 16');
});
