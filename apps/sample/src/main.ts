import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { commandLine, countOf, createProgress, examples, integer, number, runProgram } from '@eflow/cli';
import { createClipWriter, datasetKind } from '@eflow/data';
import { compile, setUpIfNeeded, useTensorFlow } from '@eflow/engine';
import { canWriteMp4 } from '@eflow/media';
import {
  type Asked,
  askEvenly,
  classNames,
  countEvaluations,
  createSample,
  cycleLabels,
  type DataRecord,
  findClass,
  findNewestRun,
  GUIDANCE_KINDS,
  loadNetwork,
  openRunFolder,
  type RunConfig,
  readDataRecord,
  SAMPLERS,
  type SamplerFlags,
  type SamplerSpec,
  sampleClips,
  sampleInBatches,
  samplerSpec,
  videoDiTConfig,
} from '@eflow/run';
import { type Clips, joinClips, sliceClips } from '@eflow/tensor';
import { numberWords, unknownWords } from '@eflow/text';
import { type ClipSize, type FullVideoDiTConfig, tokenGrid } from '@eflow/video-dit';
import { Command, Option } from 'commander';
import { exportSampler, VOCABULARY_FILE } from './export-sampler.ts';
import { answerLines } from './interactive.ts';
import { GIF_FPS, openPictures, pictureFiles, planPictures } from './pictures.ts';

interface Flags extends SamplerFlags {
  steps: number;
  count: number;
  labels?: string[];
  prompt?: string[];
  prompts?: string;
  interactive?: boolean;
  seed: number;
  frames?: number;
  height?: number;
  width?: number;
  checkpoint?: string;
  weights: 'ema' | 'params';
  scale?: number;
  fps?: number;
  out?: string;
  overwrite?: boolean;
  eager?: boolean;
  export?: string;
  shards?: string;
}

/** Clips that --interactive draws of each line. */
const CLIPS_A_LINE = 4;

const program = new Command('sample')
  .description(
    "Sample clips from a run's checkpoint: a PNG, an animated WebP, a GIF, and an mp4 where the codec is installed. They show the first 20 clips.",
  )
  .argument('[run]', 'folder written by training, such as runs/digits-tiny (default: the newest in runs/)')
  .option('--steps <n>', 'sampling steps', integer(1), 4)
  .addOption(
    new Option(
      '--sampler <name>',
      'few-step jumps t -> s; renoise jumps to the data and back; euler and heun follow the velocity (default: few-step if the objective learns jumps, else euler)',
    ).choices([...SAMPLERS]),
  )
  .option('--grid <name>', 'times of the steps: uniform, shifted:3 or quadratic', 'uniform')
  .option(
    '--guidance-scale <w>',
    "strength of the guidance; for a run trained on a range any in it (default: the range's), for one trained without guidance euler or heun with any (default: none)",
    number('a number'),
  )
  .addOption(
    new Option(
      '--guidance <kind>',
      'guide by a second pass without the class, by the weak path, or by the scale as an input (default: input for a run trained on a range, else classifier-free)',
    ).choices([...GUIDANCE_KINDS]),
  )
  .option('--count <n>', 'clips, with labels 0, 1, 2, ... in turn, or with captions of all kinds', integer(1), 20)
  .option(
    '--labels <list>',
    'classes by name or number, one clip each, such as 3,1,4 or cat,dog (instead of --count)',
    (text) => text.split(',').map((part) => part.trim()),
  )
  .option(
    '--prompt <text>',
    'of a run that takes words: what a clip is to show; again for more clips (instead of --count)',
    (text, before: string[] = []) => [...before, text],
  )
  .option('--prompts <file>', 'a text file with a prompt in each line (instead of --count)')
  .addOption(
    new Option(
      '--interactive',
      `read prompts line by line, and draw ${CLIPS_A_LINE} clips of each: in a terminal that shows 24-bit colours, and into interactive.webp in the run's folder`,
    ).conflicts(['count', 'labels', 'prompt', 'prompts', 'export', 'shards']),
  )
  .option('--seed <n>', 'clip i depends on the seed, on i and on its label or prompt', integer(0), 0)
  .option('--frames <n>', 'frames per clip, any number that patches divide (default: as trained)', integer(1))
  .option('--height <n>', 'pixels, likewise', integer(1))
  .option('--width <n>', 'pixels, likewise', integer(1))
  .option('--checkpoint <name>', 'checkpoint to sample from: best, or a step such as step-000500 (default: the newest)')
  .addOption(new Option('--weights <which>', 'averaged or raw parameters').choices(['ema', 'params']).default('ema'))
  .option('--scale <n>', 'file pixels per clip pixel (default: 6 for clips of 16x16, less for larger ones)', integer(1))
  .option(
    '--fps <n>',
    `frames per second; above ${GIF_FPS} no GIF is written (default: as trained, or 8)`,
    integer(1, 1000),
  )
  .option('--out <folder>', "where the files go (default: samples-N-steps in the run's folder)")
  .option('--overwrite', 'replace files that are there')
  .option('--shards <folder>', `also write all clips, losslessly, as shards for ${commandLine('fvd')} to measure`)
  .option('--eager', 'run op by op instead of as one compiled graph')
  .option(
    '--export <folder>',
    'write the sampler as a TensorFlow SavedModel for --count clips a call, and sample nothing',
  )
  .addHelpText(
    'after',
    examples(
      'sample',
      '',
      'runs/mine --labels 3,1,4',
      'runs/digits-text --prompt "a red 3 moves left" --prompt "a blue 7 moves up"',
      'runs/digits-text --interactive',
      'runs/mine --guidance-scale 2',
      'runs/mine --sampler heun --steps 25 --guidance-scale 1.5',
      'runs/mine --count 2048 --shards generated',
    ),
  );

async function main(given: string | undefined, flags: Flags): Promise<void> {
  const root = given ?? findNewestRun();
  if (!given) console.log(`Sampling the newest run, ${root}.`);
  // All that can be known beforehand is checked before anything is computed.
  const { folder, config } = openRunFolder(root);
  const spec = samplerSpec(config.objective, flags.steps, flags);
  const network = videoDiTConfig(config);
  const clip = sizeOfClips(config, flags);
  tokenGrid(network, clip);
  const names = network.words ? undefined : classNames(folder, config);
  const asked = whatIsAsked(config, network, names, flags);
  const { labels, captions } = asked;
  const count = (captions ?? labels)!.length;
  const { frameStride } = datasetKind(config.data).describe(config.data);
  const fps = flags.fps ?? fpsOf(readDataRecord(folder), frameStride);
  const classes = names && labels!.map((label) => names[label]!);
  if (flags.export) return exportModel(root, flags.export, spec, clip, flags);
  if (flags.interactive) {
    if (network.words) return answerPrompts(root, spec, clip, fps, flags);
    throw new Error('this run was trained on classes, and takes no prompts: give --labels in place of --interactive');
  }
  const out = flags.out ?? join(root, `samples-${flags.steps}-steps`);
  const taken = pictureFiles(out).find((file) => existsSync(file));
  if (taken && !flags.overwrite) {
    throw new Error(`${taken} exists: replace it with --overwrite, or choose another folder with --out`);
  }
  if (flags.shards && existsSync(flags.shards))
    throw new Error(`${flags.shards} exists: give a new folder with --shards`);
  const hasMp4 = await canWriteMp4();
  const plan = planPictures(count, clip, {
    scale: flags.scale,
    fps,
    captions,
    canWriteMp4: hasMp4,
  });
  if (!hasMp4) console.log('No mp4: the optional codec is missing (npm install mediabunny @mediabunny/server).');
  if (fps > GIF_FPS) console.log(`No GIF: it holds at most ${GIF_FPS} frames per second.`);
  await setUpIfNeeded();
  const { tensorflowVersion, device } = await useTensorFlow();
  const { params, step } = await loadNetwork(root, flags);

  const pictures = openPictures(out, plan);
  let shards: ReturnType<typeof createClipWriter> | undefined;
  try {
    if (flags.shards) shards = createClipWriter(flags.shards, { fps, frameStride, classes: names });
    console.log(
      `Sampling ${countOf(count, 'clip')} of ${countOf(clip.numFrames, 'frame')} of ${clip.height}x${clip.width} in ${describe(spec)}, ${evaluations(config, spec)}, of ${describeAsked(asked, names)}, from step ${step} of ${root} on TensorFlow ${tensorflowVersion} (${device}).`,
    );
    if (plan.shown < count) {
      const hint = flags.shards ? '' : '; --shards FOLDER writes all of them';
      console.log(`${plan.shown} of ${count.toLocaleString('en')} shown in the pictures${hint}.`);
    }
    const start = performance.now();
    const progress = createProgress(count, 'clips');
    const sample = createSample(network, config.objective, spec, flags.eager ? undefined : compile);
    const batches = sampleInBatches(sample, params, network, {
      clip,
      ...asked,
      seed: flags.seed,
      onStep: (done) => progress.update(done),
    });
    let done = 0;
    const shown: Clips[] = [];
    for (const clips of batches) {
      const sampled = clips.shape[0];
      shards?.add(clips, (classes ?? captions ?? labels!.map(String)).slice(done, done + sampled));
      if (done < plan.shown) shown.push(sliceClips(clips, 0, plan.shown - done));
      done += sampled;
    }
    progress.end();
    console.log(`Sampled in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
    console.log(`Writing pictures of ${countOf(plan.shown, 'clip')}: ${plan.formats.join(', ')}.`);
    const files = await pictures.write(joinClips(shown), {
      run: root,
      step,
      ...flags,
      ...spec,
      ...plan,
      ...asked,
      classes,
      clip,
    });
    shards?.finish();
    console.log([...files, ...(flags.shards ? [flags.shards] : [])].join('\n'));
  } catch (error) {
    shards?.abort();
    throw error;
  } finally {
    pictures.close();
  }
}

const describe = ({ sampler, numSteps, guidance }: SamplerSpec) =>
  `${countOf(numSteps, 'step')} of the sampler ${sampler}${guidance ? ` at guidance scale ${Number(guidance.scale.toPrecision(4))}` : ''}`;

/** What clips are asked for by the flags; classes, or captions of a run that takes words, of all kinds unless they say. */
function whatIsAsked(
  config: RunConfig,
  { words, numClasses }: FullVideoDiTConfig,
  names: readonly string[] | undefined,
  flags: Flags,
): Asked {
  const prompts = [...(flags.prompt ?? []), ...(flags.prompts === undefined ? [] : readPrompts(flags.prompts))];
  if (!words) {
    if (prompts.length > 0) {
      throw new Error(
        'this run was trained on classes, and takes no prompts: give --labels, or train with text.kind=words',
      );
    }
    return {
      labels: flags.labels?.map((text) => findClass(text, numClasses, names)) ?? cycleLabels(flags.count, numClasses),
    };
  }
  if (flags.labels) throw new Error('this run was trained on captions, and takes no classes: give --prompt "..."');
  if (prompts.length === 0) return askEvenly(config, flags.count);
  for (const [i, prompt] of prompts.entries()) checkPrompt(words.vocabulary, `prompt ${i + 1}`, prompt);
  return { captions: prompts };
}

/** Says which words of a prompt, which is called `name`, the run does not know. Throws on a prompt that cannot be read. */
function checkPrompt(vocabulary: readonly string[], name: string, prompt: string): void {
  numberWords(vocabulary, name, prompt);
  const unknown = unknownWords(vocabulary, prompt);
  if (unknown.length === 0) return;
  console.log(
    `In ${name} are words that the run has not learnt, all of which are the same to it: ${unknown.join(', ')}.`,
  );
}

/** The lines of a file that are not empty. Throws where it cannot be read or has none. */
function readPrompts(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as Error).message}): give a text file with --prompts`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new Error(`${file} has no prompt: write one in each line`);
  return lines;
}

/** What clips are asked for, such as "classes 3, 1, 4" or "classes 0 cat, 1 dog", or the captions; of more than ten the first. */
function describeAsked({ labels, captions }: Asked, names: readonly string[] = []): string {
  const distinct = [...new Set<number | string>(captions ?? labels)];
  const shown = distinct.slice(0, 10).map((one) => {
    if (typeof one === 'string') return JSON.stringify(one);
    const name = names[one] ?? String(one);
    return name === String(one) ? name : `${one} ${name}`;
  });
  const more = distinct.length > 10 ? ` and ${distinct.length - 10} more` : '';
  const what = captions ? '' : distinct.length > 1 ? 'classes ' : 'class ';
  return `${what}${shown.join(', ')}${more}`;
}

function evaluations({ objective }: RunConfig, spec: SamplerSpec): string {
  const { nfe, weakNfe } = countEvaluations(objective, spec);
  return `${countOf(nfe, 'network pass', 'network passes')}${weakNfe > 0 ? ` and ${weakNfe} of the weak path` : ''}`;
}

/** As in training, but for what was asked for. */
const sizeOfClips = ({ data }: RunConfig, flags: Flags): ClipSize => ({
  numFrames: flags.frames ?? data.numFrames,
  height: flags.height ?? data.height,
  width: flags.width ?? data.width,
});

/** Frames per second at which clips play as fast as the videos that were trained on; 8 where there are none. */
const fpsOf = (videos: DataRecord | undefined, frameStride: number): number =>
  videos?.fps === undefined ? 8 : Math.max(1, Math.round(videos.fps / frameStride));

/** Throws unless the folder can be made, and is not there yet. */
function checkNewFolder(folder: string): void {
  if (existsSync(folder)) throw new Error(`${folder} exists: give a new folder with --export`);
  const parent = dirname(resolve(folder));
  try {
    mkdirSync(parent, { recursive: true });
    accessSync(parent, constants.W_OK);
  } catch (error) {
    throw new Error(`${folder} cannot be written (${(error as Error).message}): choose another folder with --export`);
  }
}

async function exportModel(
  root: string,
  folder: string,
  spec: SamplerSpec,
  clip: ClipSize,
  flags: Flags,
): Promise<void> {
  checkNewFolder(folder);
  const { config, network, params, step } = await openNetwork(root, flags);
  const { count } = flags;
  const { objective } = config;
  const names = await exportSampler(folder, network, params, { spec, objective, clip, batchSize: count });
  const inputs = new Intl.ListFormat('en-GB').format(names);
  console.log(
    `${folder}: ${describe(spec)} and the weights of step ${step}; ${inputs} of ${countOf(count, 'clip')} in, video out.${network.words ? ` Words are numbered by the lines of ${VOCABULARY_FILE}, from 0.` : ''}`,
  );
}

/** Draws what lines of text ask for. */
async function answerPrompts(
  root: string,
  spec: SamplerSpec,
  clip: ClipSize,
  fps: number,
  flags: Flags,
): Promise<void> {
  const { out = root } = flags;
  mkdirSync(out, { recursive: true });
  const { config, network, params } = await openNetwork(root, flags);
  const { scale } = planPictures(CLIPS_A_LINE, clip, { scale: flags.scale, fps, canWriteMp4: false });
  const sample = createSample(network, config.objective, spec, flags.eager ? undefined : compile);
  await answerLines({
    seed: flags.seed,
    file: join(out, 'interactive.webp'),
    scale,
    fps,
    draw(prompt, seed) {
      checkPrompt(network.words!.vocabulary, 'the prompt', prompt);
      return sampleClips(sample, params, network, { clip, captions: Array(CLIPS_A_LINE).fill(prompt), seed });
    },
  });
}

/** The network of a run, on TensorFlow. */
async function openNetwork(root: string, flags: Flags) {
  await setUpIfNeeded();
  await useTensorFlow();
  return loadNetwork(root, flags);
}

program.action(main);
await runProgram(program);
