/**
 * `pnpm study:fvd`: what a Frechet distance sees. Real clips of moving digits against others of the same kind, as they are and
 * made worse in six ways, each at five strengths. Ends with 1 unless every distance is above the one before it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMachine, examples, integer, runProgram } from '@eflow/cli';
import { createMovingDigits, type MovingDigitsSpec, makeBatch } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { plot, saveFigure, toSvg } from '@eflow/figures';
import { clipsSource, DIGITS_COVARIANCE_RULE, loadExtractor, look, type Measurement, measure } from '@eflow/measure';
import { writeGridPng } from '@eflow/media';
import { type Clips, joinClips, sliceClips } from '@eflow/tensor';
import * as Plot from '@observablehq/plot';
import { Command } from 'commander';
import { CORRUPTIONS } from './corruptions.ts';

/** What the classifier was trained on. */
const SPEC: MovingDigitsSpec = {
  numFrames: 8,
  height: 16,
  width: 16,
  digitSize: 12,
  numDigits: 1,
  minSpeed: 0.3,
  maxSpeed: 1,
  split: 'held-out',
  seed: 0,
};
const BATCH = 100;

interface Row extends Measurement {
  corruption: string;
  unit: string;
  strength: number;
}

async function main({ clips: count, seed, out }: { clips: number; seed: number; out: string }): Promise<void> {
  await useTensorFlow();
  const extractor = await loadExtractor({ name: 'digits' });
  const dataset = createMovingDigits(SPEC);
  const draw = (first: number): Clips => makeBatch(dataset, count, first);
  const [reference, others] = [draw(0), draw(1)];
  const lookAt = (clips: Clips) => look(extractor, clipsSource(clips), { batchSize: BATCH });
  const real = await lookAt(reference);
  const by = { covarianceRule: DIGITS_COVARIANCE_RULE, split: SPEC.split };
  const against = async (clips: Clips) => measure(real, await lookAt(clips), by, { brief: true });

  console.log(`Frechet distances of ${count} clips from ${count} others:`);
  const floor = await against(others);
  console.log(`as they are: ${floor.frechetDistance.toFixed(2)}`);
  mkdirSync(out, { recursive: true });
  const rows: Row[] = [];
  const shown: Clips[] = [sliceClips(others, 0, 1)];
  for (const { name, unit, strengths, apply } of CORRUPTIONS) {
    for (const strength of strengths) {
      const worse = apply(others, strength, seed);
      const row = { corruption: name, unit, strength, ...(await against(worse)) };
      rows.push(row);
      console.log(`${name}, ${strength} (${unit}): ${row.frechetDistance.toFixed(2)}`);
      if (strength === strengths.at(-1)) shown.push(sliceClips(worse, 0, 1));
    }
  }

  const study = { machine: describeMachine(), seed, floor, results: rows };
  writeFileSync(join(out, 'fvd-corruptions.json'), `${JSON.stringify(study, null, 2)}\n`);
  const files = saveFigure(out, 'fvd-corruptions', toSvg(drawPanels(rows, floor.frechetDistance)));
  const sheet = join(out, 'fvd-corruptions-clips.png');
  await writeGridPng(sheet, joinClips(shown), { frames: 'strip', scale: 3 });
  console.log([...files, sheet].join('\n'));

  const wrong = CORRUPTIONS.filter(({ name }) => {
    const distances = [floor, ...rows.filter(({ corruption }) => corruption === name)].map(
      (row) => row.frechetDistance,
    );
    return distances.slice(1).some((distance, i) => distance <= distances[i]!);
  });
  const verdict = wrong.length === 0 ? 'all' : `not of ${wrong.map(({ name }) => name).join(', ')}`;
  console.log(
    `Distances rise with the strength: ${verdict} of ${CORRUPTIONS.length} corruptions, ${rows.length} strengths`,
  );
  if (wrong.length > 0) process.exitCode = 1;
}

/** A panel for each corruption, over the number of its strength, with the floor that real clips set. */
function drawPanels(rows: readonly Row[], floor: number) {
  const points = CORRUPTIONS.flatMap(({ name }) =>
    rows.filter(({ corruption }) => corruption === name).map((row, i) => ({ ...row, place: i + 1 })),
  );
  return plot({
    width: 900,
    height: 260,
    marginLeft: 52,
    marginBottom: 40,
    marginTop: 44,
    insetLeft: 10,
    insetRight: 10,
    grid: true,
    x: { label: 'strength', ticks: 5 },
    y: { type: 'log', label: 'Frechet distance', tickFormat: '~g' },
    fx: { label: null, domain: CORRUPTIONS.map(({ name }) => name) },
    marks: [
      Plot.ruleY([floor], { stroke: '#15803d', strokeDasharray: '4 3' }),
      Plot.line(points, { fx: 'corruption', x: 'place', y: 'frechetDistance', stroke: '#1d4ed8' }),
      Plot.dot(points, { fx: 'corruption', x: 'place', y: 'frechetDistance', fill: '#1d4ed8', r: 3 }),
      Plot.text(points, {
        fx: 'corruption',
        x: 'place',
        y: 'frechetDistance',
        text: (d: Row) => String(d.strength),
        dy: -9,
        fontSize: 9,
      }),
    ],
  });
}

const program = new Command('study:fvd')
  .description('Measure how a Frechet distance grows as clips are made worse, in six ways at five strengths each.')
  .option('--clips <n>', 'clips of each kind', integer(2), 1000)
  .option('--seed <n>', 'seed of the corruptions', integer(0), 0)
  .option('--out <folder>', 'where the figures go', 'runs/fvd-study')
  .addHelpText('after', examples('study:fvd', '', '--clips 200 --out runs/quick'))
  .action(main);
await runProgram(program);
