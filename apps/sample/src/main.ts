import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeClips } from '@eflow/data';
import { compile, useTensorFlow } from '@eflow/engine';
import { canWriteMp4, writeGridGif, writeGridMp4, writeGridPng, writeGridWebp } from '@eflow/media';
import {
  countEvaluations,
  createSample,
  cycleLabels,
  GUIDANCE_KINDS,
  type LoadedNetwork,
  loadNetwork,
  openRunFolder,
  type RunConfig,
  SAMPLERS,
  type SamplerFlags,
  type SamplerSpec,
  sampleClips,
  samplerSpec,
} from '@eflow/run';
import { assertLabels, type ClipSize, tokenGrid } from '@eflow/video-dit';
import { Command, InvalidArgumentError, Option } from 'commander';
import { exportSampler } from './export-sampler.ts';

interface Flags extends SamplerFlags {
  steps: number;
  count: number;
  labels?: number[];
  seed: number;
  frames?: number;
  height?: number;
  width?: number;
  checkpoint?: string;
  weights: 'ema' | 'params';
  scale: number;
  fps: number;
  out?: string;
  overwrite?: boolean;
  eager?: boolean;
  export?: string;
  shards?: string;
}

const integer = (least: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
    throw new InvalidArgumentError(`expected an integer of at least ${least}`);
  }
  return value;
};

const program = new Command('sample')
  .description(
    "Samples clips from a run's checkpoint: a still, animated WebP and GIF, and mp4 where the codec is installed.",
  )
  .argument('<run>', 'the folder that training wrote, such as runs/digits-tiny')
  .option('--steps <n>', 'sampling steps', integer(1), 4)
  .addOption(
    new Option(
      '--sampler <name>',
      'few-step jumps t -> s, renoise jumps to the data and back, euler and heun follow the velocity (default: euler for flow matching, else few-step)',
    ).choices([...SAMPLERS]),
  )
  .option('--grid <name>', 'times of the steps: uniform, shifted:3 or quadratic', 'uniform')
  .option('--guidance-scale <w>', 'for euler and heun on a network trained without guidance', Number)
  .addOption(
    new Option('--guidance <kind>', 'by a second pass without the class, or by the weak path')
      .choices([...GUIDANCE_KINDS])
      .default('classifier-free'),
  )
  .option('--count <n>', 'clips, with labels 0, 1, 2, ... in turn', integer(1), 20)
  .option('--labels <list>', 'labels, one clip each, such as 3,1,4 (instead of --count)', (text) =>
    text.split(',').map(integer(0)),
  )
  .option('--seed <n>', 'clip i depends on the seed, on i and on its label', integer(0), 0)
  .option('--frames <n>', 'frames of a clip, any that patches divide (default: as trained)', integer(1))
  .option('--height <n>', 'pixels, the same', integer(1))
  .option('--width <n>', 'pixels, the same', integer(1))
  .option('--checkpoint <name>', 'such as step-000500 (default: the newest)')
  .addOption(new Option('--weights <which>', 'averaged or raw parameters').choices(['ema', 'params']).default('ema'))
  .option('--scale <n>', 'file pixels per clip pixel', integer(1), 6)
  .option('--fps <n>', 'frames per second', integer(1), 8)
  .option('--out <folder>', "where the files go (default: samples-N-steps in the run's folder)")
  .option('--overwrite', 'replace files that are there')
  .option(
    '--shards <folder>',
    'write the clips there, too, without loss, as eflow-data prepare does: eflow-fvd measures them',
  )
  .option('--eager', 'run op by op instead of as one compiled graph')
  .option(
    '--export <folder>',
    'write the sampler as a TensorFlow SavedModel for --count clips a call, and sample nothing',
  );

async function main(root: string, flags: Flags): Promise<void> {
  const spec = samplerSpec(openRunFolder(root).config.objective, flags.steps, flags);
  if (flags.export) return exportModel(root, flags.export, spec, flags);
  const out = flags.out ?? join(root, `samples-${flags.steps}-steps`);
  const files = Object.fromEntries(
    ['png', 'webp', 'gif', 'mp4', 'json'].map((kind) => [kind, join(out, `samples.${kind}`)]),
  );
  const taken = Object.values(files).filter((file) => existsSync(file));
  if (taken.length > 0 && !flags.overwrite) {
    throw new Error(`${taken[0]} exists: replace it with --overwrite, or choose another folder with --out`);
  }
  if (flags.shards && existsSync(flags.shards))
    throw new Error(`${flags.shards} exists: give a new folder with --shards`);
  const { tensorflowVersion, device } = await useTensorFlow();
  const loaded = await loadNetwork(root, flags);
  const { network, params, step } = loaded;
  const clip = sizeOfClips(loaded, flags);
  const labels = flags.labels ?? cycleLabels(flags.count, network.numClasses);
  assertLabels(labels, network.numClasses);
  console.log(
    `Sampling ${labels.length} clips of ${clip.numFrames} frames of ${clip.height}x${clip.width} in ${describe(spec)}, ${evaluations(loaded.config, spec)}, from step ${step} of ${root} on TensorFlow ${tensorflowVersion} (${device}).`,
  );

  const start = performance.now();
  const sample = createSample(network, loaded.config.objective, spec);
  const clips = sampleClips(flags.eager ? sample : compile(sample), params, network, {
    clip,
    labels,
    seed: flags.seed,
    onBatch: (done) =>
      console.log(`  ${done} of ${labels.length} clips, ${((performance.now() - start) / 1000).toFixed(1)} s`),
  });

  if (flags.shards) writeClips(flags.shards, clips, { labels: labels.map(String), fps: flags.fps });
  mkdirSync(out, { recursive: true });
  const movie = { scale: flags.scale, fps: flags.fps };
  await writeGridPng(files.png!, clips, { frames: 'strip', scale: flags.scale });
  await writeGridWebp(files.webp!, clips, movie);
  await writeGridGif(files.gif!, clips, movie);
  const written = [files.png, files.webp, files.gif];
  if (await canWriteMp4()) {
    await writeGridMp4(files.mp4!, clips, movie);
    written.push(files.mp4);
  } else {
    console.log('No mp4: the optional codec is missing (pnpm add mediabunny @mediabunny/server).');
  }
  writeFileSync(files.json!, `${JSON.stringify({ run: root, step, labels, clip, ...flags, ...spec }, null, 2)}\n`);
  console.log(written.join('\n'));
}

const describe = ({ sampler, numSteps }: SamplerSpec) => `${numSteps} steps of the sampler ${sampler}`;

function evaluations({ objective }: RunConfig, spec: SamplerSpec): string {
  const { nfe, weakNfe } = countEvaluations(objective, spec);
  return `${nfe} network passes${weakNfe > 0 ? ` and ${weakNfe} of the weak path` : ''}`;
}

/** As in training, but for what was asked for. Throws unless patches divide it. */
function sizeOfClips({ config: { data }, network }: LoadedNetwork, flags: Flags): ClipSize {
  const clip = {
    numFrames: flags.frames ?? data.numFrames,
    height: flags.height ?? data.height,
    width: flags.width ?? data.width,
  };
  tokenGrid(network, clip);
  return clip;
}

async function exportModel(root: string, folder: string, spec: SamplerSpec, flags: Flags): Promise<void> {
  await useTensorFlow();
  const loaded = await loadNetwork(root, flags);
  const { network, params, step } = loaded;
  const clip = sizeOfClips(loaded, flags);
  const { count } = flags;
  await exportSampler(folder, network, params, { spec, objective: loaded.config.objective, clip, batchSize: count });
  const inputs = spec.sampler === 'renoise' ? 'noise, label and seed' : 'noise and label';
  console.log(
    `${folder}: ${describe(spec)} and the weights of step ${step}; ${inputs} of ${count} clips in, video out.`,
  );
}

program.action(main);
program.parseAsync().catch((error: Error) => {
  console.error(`sample: ${error.message}`);
  process.exitCode = 1;
});
