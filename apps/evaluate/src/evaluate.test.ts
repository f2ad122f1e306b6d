import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRunFolder, loadConfig } from '@eflow/run';
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
    'training.steps=3',
    'optimizer.warmupSteps=0',
  ];
  expect(command('train', 'digits-tiny', ...changes, '--out', run).status).toBe(0);

  const { status, stdout, stderr } = command('evaluate', run, '--steps', '1,4', '--clips', '256');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('untrained');
  const { real, results, protocol, classes }: Evaluation = JSON.parse(
    readFileSync(join(run, 'evaluation.json'), 'utf8'),
  );
  expect(results.map(({ step, numSteps }) => [step, numSteps])).toEqual([
    [0, 1],
    [0, 4],
    [3, 1],
    [3, 4],
  ]);
  expect(classes.join()).toBe('0,1,2,3,4,5,6,7,8,9');
  expect(protocol).toMatchObject({ generatedClips: 256, realClips: 256, covariance: 'N-1', weights: 'ema' });
  // A network that predicts 0 leaves the noise as it is: far from real clips, which are near to one another.
  expect(results[0]!.frechetDistance).toBe(results[1]!.frechetDistance);
  expect(results[0]!.frechetDistance).toBeGreaterThan(20 * real.frechetDistance);
  expect(results[0]!.classAccuracy).toBeLessThan(0.2);
  expect(real.classAccuracy).toBeGreaterThan(0.95);
  expect(real.frameConsistency).toBeGreaterThan(0.9);

  const page = readFileSync(join(run, 'report.html'), 'utf8');
  expect(page).not.toMatch(/(src|href)="(?!data:)/);
  expect(page.match(/<img /g)).toHaveLength(2 + 1 + 2); // at 4 steps: untrained, trained; real; after training: 1 and 4 steps
  expect(page.match(/<svg /g)!.length).toBeGreaterThanOrEqual(4);
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
