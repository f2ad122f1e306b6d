import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useTensorFlow } from '@eflow/engine';
import { createRunFolder, loadConfig, readMeasurements, readMetrics } from '@eflow/run';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { TINY } from './tiny.ts';
import { train } from './train.ts';

const print = vi.spyOn(console, 'log').mockImplementation(() => {});
const root = mkdtempSync(join(tmpdir(), 'measure-'));
afterAll(() => rmSync(root, { recursive: true }));

async function run(name: string, changes: string[], stopAfter = Number.POSITIVE_INFINITY) {
  const config = loadConfig('digits-tiny', [...TINY, 'optimizer.warmupSteps=0', 'training.steps=6', ...changes]);
  const folder = createRunFolder(join(root, name), config);
  let steps = 0;
  await train(config, folder, { engine: await useTensorFlow(), stopRequested: () => ++steps >= stopAfter });
  return { losses: readMetrics(folder).map(({ loss }) => loss), measurements: readMeasurements(folder) };
}
const every = (steps: number) => [`measurement.every=${steps}`, 'measurement.clips=20', 'measurement.numSteps=2'];

describe('training that measures', () => {
  it('tells the distance from held-out digits every so many steps, and trains as it would without', async () => {
    const plain = await run('plain', []);
    const measured = await run('measured', every(2));
    expect(measured.losses).toEqual(plain.losses);
    expect(measured.measurements.map(({ step }) => step)).toEqual([2, 4, 6]);
    for (const { frechetDistance, kernelDistance } of measured.measurements) {
      expect(frechetDistance).toBeGreaterThan(0);
      expect(kernelDistance).toBeGreaterThan(0); // nothing has been learnt yet
    }
    expect(measured.measurements[0]!.protocol).toMatchObject({
      extractor: 'moving-digits classifier',
      numReal: 20,
      numGenerated: 20,
      split: 'held-out',
    });
    expect(print.mock.calls.flat().join('\n')).toMatch(
      /step 4: Frechet distance \(not FVD\) .*20 generated against 20/,
    );
  });

  it('measures once what is trained twice', async () => {
    const whole = await run('whole', every(2));
    await run('parts', every(2), 4);
    const parts = await run('parts', every(2));
    const distances = ({ measurements }: typeof whole) => measurements.map((m) => [m.step, m.frechetDistance]);
    expect(distances(parts)).toEqual(distances(whole));
  });
});
