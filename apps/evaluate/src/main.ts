import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { listCheckpoints } from '@eflow/checkpoint';
import { commandLine, countOf, createProgress, examples, integer, list, number, runProgram } from '@eflow/cli';
import { datasetKind, takeClips } from '@eflow/data';
import { compile, setUpIfNeeded, useTensorFlow } from '@eflow/engine';
import { loadExtractor } from '@eflow/measure';
import { writeGridWebp } from '@eflow/media';
import {
  askEvenly,
  classNames,
  countEvaluations,
  createSample,
  findCheckpoint,
  findNewestRun,
  formatEvaluations,
  GUIDANCE_KINDS,
  loadNetwork,
  openClips,
  openRunFolder,
  type RunConfig,
  readMetrics,
  SAMPLERS,
  type SamplerFlags,
  sampleClips,
  samplerSpec,
  videoDiTConfig,
} from '@eflow/run';
import { type Clips, disposeTree, joinClips, sliceClips } from '@eflow/tensor';
import { Command, Option } from 'commander';
import { comparedSteps, type Evaluation, gridOptions, type Result, SHOWN } from './evaluation.ts';
import { type CLASSIFIERS, compare, lookAt, readHeldOutAccuracy } from './measure.ts';
import { renderReport } from './report.ts';
import { describeAge, FACTORS_NOTE, formatTable, secondsUntil } from './table.ts';

interface Flags extends SamplerFlags {
  steps: number[];
  last?: boolean;
  checkpoint?: string;
  out?: string;
  clips: number;
  seed: number;
}

const program = new Command('evaluate')
  .description(
    "Measure a run of moving or captioned digits, from its first checkpoint to its last, beside real clips. Writes evaluation.json and report.html into the run's folder.",
  )
  .argument('[run]', 'folder written by training, such as runs/digits-tiny (default: the newest in runs/)')
  .option(
    '--steps <list>',
    'numbers of sampling steps for the first and the last checkpoint',
    (text) => [...new Set(list(integer(1))(text))],
    [1, 2, 4, 8],
  )
  .addOption(new Option('--sampler <name>', `see ${commandLine('sample')} --help`).choices([...SAMPLERS]))
  .option('--grid <name>', 'times of the steps: uniform, shifted:3 or quadratic', 'uniform')
  .option('--guidance-scale <w>', `see ${commandLine('sample')} --help`, number('a number'))
  .addOption(new Option('--guidance <kind>', `see ${commandLine('sample')} --help`).choices([...GUIDANCE_KINDS]))
  .option('--last', 'measure the newest checkpoint alone')
  .addOption(
    new Option('--checkpoint <name>', 'measure one checkpoint alone: best, or a step such as step-000500').conflicts(
      'last',
    ),
  )
  .option('--out <name>', "write <name>.json in the run's folder, its grids beside it, and no page")
  .option('--clips <n>', 'generated clips per figure, and real ones to compare with', integer(256), 1000)
  .option('--seed <n>', 'seed of the samples', integer(0), 0)
  .addHelpText('after', examples('evaluate', '', 'runs/digits-tiny --last --steps 4 --clips 10000 --out at-4'));

async function main(given: string | undefined, flags: Flags): Promise<void> {
  const root = given ?? findNewestRun();
  const { folder, config } = openRunFolder(root);
  const classifier = chooseClassifier(config.data);
  const specs = flags.steps.map((numSteps) => samplerSpec(config.objective, numSteps, flags));
  const metrics = readMetrics(folder);
  const out = join(root, flags.out ?? 'evaluation');
  checkOutput(out);
  const checkpoints = (await listCheckpoints(folder.checkpoints, ['ema'])).reverse();
  for (const { problem } of checkpoints) if (problem) console.error(`Skipped: ${problem}`);
  const sound = checkpoints.filter(({ problem }) => problem === undefined);
  const named = flags.checkpoint && findCheckpoint(folder, config, flags.checkpoint);
  const usable = named ? sound.filter((one) => one.folder === named) : flags.last ? sound.slice(-1) : sound;
  if (usable.length === 0) {
    throw new Error(
      named ? `${named} is damaged: name another` : `${folder.checkpoints} holds no valid checkpoint; train first`,
    );
  }
  const newest = given ? '' : ', the newest run';
  console.log(
    `Measuring ${root}${newest}: ${countOf(usable.length, 'checkpoint')}, ${countOf(flags.clips, 'clip')} for each row.`,
  );
  await setUpIfNeeded();
  await useTensorFlow();

  const extractor = await loadExtractor({ name: classifier });
  const kind = datasetKind(config.data);
  const split = kind.splits(config.data).at(-1)!;
  const task = kind.captions?.(config.data);
  const asked = askEvenly(config, flags.clips);
  const names = classNames(folder, config)!;
  const dataset = openClips(config, split);
  const reference = await lookAt(extractor, takeClips(dataset, 0, flags.clips), task);
  const others = takeClips(dataset, flags.clips, flags.clips);
  const real = { ...compare(await lookAt(extractor, others, task), reference, split), grid: 'real.webp' };
  const { width } = config.data;
  // Classes are few: of each there is a clip. Of what captions say there is too much.
  const shown = asked.captions ? sliceClips(others, 0, SHOWN) : pickLabels(others, asked.labels.slice(0, SHOWN));
  await writeGridWebp(join(out, real.grid), shown, gridOptions(width, asked.captions && shown.captions));
  const gridLayout = gridOptions(width, asked.captions?.slice(0, SHOWN));

  // Every checkpoint is of the same network, so that one compiled sampler serves all of them.
  const network = videoDiTConfig(config);
  const samplers = new Map(
    specs.map((spec) => [
      spec.numSteps,
      { sample: createSample(network, config.objective, spec, compile), ...countEvaluations(config.objective, spec) },
    ]),
  );
  const results: Result[] = [];
  for (const [i, checkpoint] of usable.entries()) {
    const isEnd = i === 0 || i === usable.length - 1;
    const stepCounts = isEnd ? flags.steps : flags.steps.filter((n) => n === comparedSteps(flags.steps));
    const { params, step } = await loadNetwork(root, { checkpoint: basename(checkpoint.folder) });
    for (const numSteps of stepCounts) {
      const start = performance.now();
      const { sample, nfe, weakNfe } = samplers.get(numSteps)!;
      const progress = createProgress(flags.clips, 'clips');
      const clips = sampleClips(sample, params, network, {
        clip: config.data,
        ...asked,
        seed: flags.seed,
        onStep: (done) => progress.update(done),
      });
      progress.end();
      const figures = compare(await lookAt(extractor, clips, task), reference, split);
      const grid = `step-${step}-${numSteps}.webp`;
      await writeGridWebp(join(out, grid), sliceClips(clips, 0, SHOWN), gridLayout);
      const result = { step, seconds: secondsUntil(metrics, step), numSteps, nfe, weakNfe, ...figures, grid };
      results.push(result);
      console.log(
        `  ${describeAge(result)}, ${formatEvaluations(result)} ${nfe + weakNfe === 1 ? 'pass' : 'passes'}: distance ${figures.frechetDistance.toFixed(1)} (${flags.clips} clips in ${((performance.now() - start) / 1000).toFixed(0)} s)`,
      );
    }
    disposeTree(params);
  }

  const evaluation: Evaluation = {
    extractor: { heldOutAccuracy: await readHeldOutAccuracy(classifier), numFeatures: extractor.numFeatures },
    sampling: {
      sampler: specs[0]!.sampler,
      grid: flags.grid!,
      guidance: specs[0]!.guidance,
      weights: 'ema',
      seed: flags.seed,
    },
    asked: (asked.captions ?? asked.labels.map((label) => names[label]!)).slice(0, SHOWN),
    real,
    results,
  };
  writeFileSync(`${out}.json`, `${JSON.stringify(evaluation, null, 2)}\n`);
  console.log(`\n${formatTable(evaluation)}\n`);
  console.log(
    `Distances are Frechet distances of the classifier's features, not FVD; ${flags.clips} clips against ${flags.clips}.`,
  );
  if (task) console.log(FACTORS_NOTE);
  console.log(`${out}.json`);
  if (flags.out) return;
  const page = join(root, 'report.html');
  writeFileSync(page, renderReport(out, config, metrics, evaluation));
  console.log(page);
}

/** The classifier of such clips. Throws unless there is one, and it can name what they show, as it may not in frames of another size. */
function chooseClassifier(data: RunConfig['data']): keyof typeof CLASSIFIERS {
  const { checkNameable, measuredBy } = datasetKind(data);
  if (!checkNameable || measuredBy === 'i3d') {
    throw new Error(
      `the classifiers know moving digits, captioned ones and moving emoji; data.kind is ${data.kind}: sample its clips with ${commandLine('sample')} RUN --shards FOLDER, and compare these with real ones by ${commandLine('fvd')}`,
    );
  }
  checkNameable(data);
  return measuredBy;
}

/** Makes the folder of the grids. Throws unless it, and the file beside it, can be written. */
function checkOutput(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    for (const path of [out, dirname(out)]) accessSync(path, constants.W_OK);
  } catch (error) {
    throw new Error(`${out} cannot be written (${(error as Error).message}): choose another name with --out`);
  }
}

/** For each wanted label the next clip that has it, so that real grids ask for the same digits as sampled ones. */
function pickLabels(clips: Required<Clips>, wanted: number[]): Clips {
  const used = new Set<number>();
  const indices = wanted.map((label) => {
    const index = clips.labels.findIndex((other, i) => other === label && !used.has(i));
    used.add(index);
    return index;
  });
  return joinClips(indices.filter((index) => index >= 0).map((index) => sliceClips(clips, index, index + 1)));
}

program.action(main);
await runProgram(program);
