import { join } from 'node:path';
import {
  createProgress,
  describeMachine,
  examples,
  integer,
  namesAmong,
  number,
  positive,
  runProgram,
} from '@eflow/cli';
import { useTensorFlow } from '@eflow/engine';
import { createStream, disposeTree, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { Command, Option } from 'commander';
import { drawCheckerboard } from './checkerboard.ts';
import { energyDistance } from './energy-distance.ts';
import { bindMlp } from './mlp.ts';
import { formatStudy, type Row, writeStudy } from './results.ts';
import { samplePoints } from './sample.ts';
import { KINDS, type Kind, NUM_POINTS, NUM_STEPS, OBJECTIVES, WEIGHT_POWER } from './settings.ts';
import { countStepsWithin, train } from './train.ts';

interface Flags {
  objectives: Kind[];
  seconds: number;
  steps?: number;
  weightPower: number;
  seed: number;
  out: string;
}

const program = new Command('toy')
  .description(
    'Train a small network on a two-dimensional checkerboard with each objective for the same time; measure and draw its samples in few and many steps.',
  )
  .option('--objectives <list>', 'objectives to compare', namesAmong(KINDS), KINDS)
  .option('--seconds <x>', 'seconds of training per objective, about', positive, 40)
  .addOption(
    new Option('--steps <n>', 'updates per objective instead of seconds; the same seed gives the same result')
      .argParser(integer(1))
      .conflicts('seconds'),
  )
  .option(
    '--weight-power <x>',
    "exponent of the adaptive loss weight; 1, the objectives' default, is biased in two dimensions",
    number('a number of at least 0', (value) => value >= 0),
    WEIGHT_POWER,
  )
  .option('--seed <n>', 'seed of weights, data and noise', integer(0), 0)
  .option('--out <folder>', 'where toy.json, toy.md, toy.svg and toy.png go', 'runs/toy')
  .addHelpText('after', examples('toy', '', '--objectives eflow,flowMatching --seconds 10'));

async function main({ objectives, seconds, steps, weightPower, seed, out }: Flags): Promise<void> {
  const { tensorflowVersion, device } = await useTensorFlow({ threads: 1 }); // small tensors are faster with one
  const stream = createStream(seed);
  const draw = (label: string) => tf.tidy(() => drawCheckerboard(splitStream(stream, label), NUM_POINTS).dataSync());
  const data = draw('data');
  const noise = randomNormal(splitStream(stream, 'noise'), [NUM_POINTS, 2]);

  const progress = createProgress(objectives.length, '', { stays: true });
  const rows: Row[] = [];
  try {
    for (const [index, of] of objectives.entries()) {
      const { name } = OBJECTIVES[of];
      const spec = { ...OBJECTIVES[of].spec, weightPower };
      progress.update(index, `${name} | timing`);
      const updates = steps ?? (await countStepsWithin(seconds, spec, seed));
      const start = performance.now();
      const params = await train(spec, { steps: updates, seed }, (step, loss) => {
        const done = (step + 1) / updates;
        progress.update(index + done, `${name} | step ${step + 1} of ${updates} | velocity loss ${loss.toFixed(3)}`);
      });
      const taken = (performance.now() - start) / 1000;
      const samples = NUM_STEPS.map((numSteps) => {
        const points = samplePoints(bindMlp(params), of, noise, numSteps);
        return { points, energyDistance: energyDistance(points, data) };
      });
      disposeTree(params);
      rows.push({ kind: of, updates, seconds: taken, samples });
    }
  } finally {
    progress.end();
  }

  const { cpu, cores, node, commit } = describeMachine();
  const environment: Record<string, string> = {
    TensorFlow: tensorflowVersion,
    device,
    CPU: cpu,
    cores: String(cores),
    node,
  };
  if (commit) environment.commit = commit;
  const references = {
    noise: energyDistance(noise.dataSync(), data),
    otherData: energyDistance(draw('other data'), data),
  };
  const study = { seed, weightPower, environment, data, references, rows };
  writeStudy(out, study);
  console.log(formatStudy(study));
  console.log(`Figures, table and pictures: ${join(out, 'toy.{json,md,svg,png}')}`);
}

program.action(main);
await runProgram(program);
