import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { listCheckpoints } from '@eflow/checkpoint';
import { compile, useTensorFlow } from '@eflow/engine';
import { digitsClassifierWeights } from '@eflow/fvd';
import { type Clips, writeGridWebp } from '@eflow/media';
import {
  countEvaluations,
  createSample,
  cycleLabels,
  formatEvaluations,
  GUIDANCE_KINDS,
  loadNetwork,
  openRunFolder,
  type RunConfig,
  readMetrics,
  SAMPLERS,
  type SamplerFlags,
  type StepMetrics,
  sampleClips,
  samplerSpec,
  videoDiTConfig,
} from '@eflow/run';
import { disposeTree } from '@eflow/tensor';
import { Command, InvalidArgumentError, Option } from 'commander';
import { comparedSteps, type Evaluation, type Result } from './evaluation.ts';
import { COVARIANCE_RULE, compare, loadClassifier, readClips, realClips } from './measure.ts';
import { renderReport } from './report.ts';
import { describeAge, formatTable } from './table.ts';

interface Flags extends SamplerFlags {
  steps: number[];
  last?: boolean;
  out?: string;
  clips: number;
  seed: number;
}

/** Clips in a grid of the report. */
const SHOWN = 20;
const GRID = { columns: 5, scale: 3 };

const integer = (least: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
    throw new InvalidArgumentError(`expected an integer of at least ${least}`);
  }
  return value;
};

const program = new Command('evaluate')
  .description(
    "Measures a run of moving digits: untrained, while it trained, and at its end, beside real clips. Writes evaluation.json and report.html into the run's folder.",
  )
  .argument('<run>', 'the folder that training wrote, such as runs/digits-tiny')
  .option(
    '--steps <list>',
    'numbers of sampling steps for the first and the last checkpoint',
    (text) => text.split(',').map(integer(1)),
    [1, 2, 4, 8],
  )
  .addOption(new Option('--sampler <name>', 'see pnpm sample --help').choices([...SAMPLERS]))
  .option('--grid <name>', 'times of the steps: uniform, shifted:3 or quadratic', 'uniform')
  .option('--guidance-scale <w>', 'for euler and heun on a network trained without guidance', Number)
  .addOption(new Option('--guidance <kind>', 'see pnpm sample --help').choices([...GUIDANCE_KINDS]))
  .option('--last', 'measure the newest checkpoint alone')
  .option('--out <name>', "write <name>.json in the run's folder, its grids beside it, and no page")
  .option('--clips <n>', 'generated clips per figure, and real ones to compare with', integer(256), 1000)
  .option('--seed <n>', 'of the samples', integer(0), 0);

async function main(root: string, flags: Flags): Promise<void> {
  const { folder, config } = openRunFolder(root);
  checkMeasurable(config);
  const specs = flags.steps.map((numSteps) => samplerSpec(config.objective, numSteps, flags));
  const metrics = readMetrics(folder);
  const checkpoints = (await listCheckpoints(folder.checkpoints)).reverse();
  for (const { problem } of checkpoints) if (problem) console.error(`Skipped: ${problem}`);
  const sound = checkpoints.filter(({ problem }) => problem === undefined);
  const usable = flags.last ? sound.slice(-1) : sound;
  if (usable.length === 0) throw new Error(`${folder.checkpoints} holds no valid checkpoint; train first`);
  await useTensorFlow();
  const out = join(root, flags.out ?? 'evaluation');
  mkdirSync(out, { recursive: true });

  const { params: classifier, heldOutAccuracy } = await loadClassifier();
  const reference = realClips(config, 0, flags.clips);
  const others = realClips(config, flags.clips, flags.clips);
  const referenceReading = readClips(classifier, reference.clips, reference.labels);
  const real = { ...compare(readClips(classifier, others.clips, others.labels), referenceReading), grid: 'real.webp' };
  const byLabel = pickLabels(others.clips, others.labels, cycleLabels(SHOWN, 10));
  await writeGridWebp(join(out, real.grid), byLabel, GRID);

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
      const labels = cycleLabels(flags.clips, network.numClasses);
      const { sample, nfe, weakNfe } = samplers.get(numSteps)!;
      const clips = sampleClips(sample, params, network, {
        clip: config.data,
        labels,
        seed: flags.seed,
      });
      const figures = compare(readClips(classifier, clips, labels), referenceReading);
      const grid = `step-${step}-${numSteps}.webp`;
      await writeGridWebp(join(out, grid), firstClips(clips, SHOWN), GRID);
      const result = { step, seconds: secondsAt(metrics, step), numSteps, nfe, weakNfe, ...figures, grid };
      results.push(result);
      console.log(
        `  ${describeAge(result)}, ${formatEvaluations(result)} passes: distance ${figures.frechetDistance.toFixed(1)} (${flags.clips} clips in ${((performance.now() - start) / 1000).toFixed(0)} s)`,
      );
    }
    disposeTree(params);
  }

  const evaluation: Evaluation = {
    protocol: {
      extractor: 'the moving-digits classifier of @eflow/fvd',
      extractorSha256: createHash('sha256').update(readFileSync(digitsClassifierWeights)).digest('hex'),
      extractorHeldOutAccuracy: heldOutAccuracy,
      featureSize: referenceReading.featureSize,
      covariance: COVARIANCE_RULE,
      realClips: flags.clips,
      generatedClips: flags.clips,
      split: 'held-out',
      sampler: specs[0]!.sampler,
      grid: flags.grid!,
      ...(specs[0]!.guidance && { guidance: specs[0]!.guidance }),
      weights: 'ema',
      seed: flags.seed,
    },
    real,
    results,
  };
  writeFileSync(`${out}.json`, `${JSON.stringify(evaluation, null, 2)}\n`);
  console.log(`\n${formatTable(evaluation)}\n`);
  console.log(
    `Distances are Frechet distances of the digits classifier's features, not FVD; ${flags.clips} clips against ${flags.clips}.`,
  );
  console.log(`${out}.json`);
  if (flags.out) return;
  const page = join(root, 'report.html');
  writeFileSync(page, renderReport(out, config, metrics, evaluation));
  console.log(page);
}

/** The classifier knows single digits, of the size and in frames of the size that it was trained on: in 32x32 it names one of five. */
function checkMeasurable({ data }: RunConfig): void {
  if (data.kind !== 'movingDigits') {
    throw new Error(`evaluate: the classifier knows moving digits; data.kind is ${data.kind}`);
  }
  if (data.numDigits !== 1) throw new Error('evaluate: the classifier knows clips of one digit; data.numDigits is 2');
  if (data.digitSize !== 12) {
    throw new Error(
      `evaluate: the classifier was trained on digits of 12 pixels; data.digitSize is ${data.digitSize}. Train another with pnpm train-classifier`,
    );
  }
  if (data.height !== 16 || data.width !== 16) {
    throw new Error(
      `evaluate: the classifier was trained on frames of 16x16; data.height and data.width are ${data.height} and ${data.width}`,
    );
  }
}

/** Seconds of training when `step` updates had been made. */
const secondsAt = (metrics: StepMetrics[], step: number) => metrics.find((m) => m.step === step - 1)?.seconds ?? 0;

function firstClips({ data, shape }: Clips, count: number): Clips {
  return pick(
    { data, shape },
    Array.from({ length: Math.min(count, shape[0]) }, (_, i) => i),
  );
}

/** For each wanted label the next clip that has it, so that real grids ask for the same digits as sampled ones. */
function pickLabels(clips: Clips, labels: number[], wanted: number[]): Clips {
  const used = new Set<number>();
  const indices = wanted.map((label) => {
    const index = labels.findIndex((other, i) => other === label && !used.has(i));
    used.add(index);
    return index;
  });
  return pick(
    clips,
    indices.filter((index) => index >= 0),
  );
}

function pick({ data, shape }: Clips, indices: number[]): Clips {
  const size = data.length / shape[0];
  const picked = new Uint8Array(indices.length * size);
  indices.forEach((index, i) => {
    picked.set(data.subarray(index * size, (index + 1) * size), i * size);
  });
  return { data: picked, shape: [indices.length, shape[1], shape[2], shape[3], shape[4]] };
}

program.action(main);
program.parseAsync().catch((error: Error) => {
  console.error(`evaluate: ${error.message}`);
  process.exitCode = 1;
});
