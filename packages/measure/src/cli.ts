#!/usr/bin/env node
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { integer, number, runProgram } from '@eflow/cli';
import { cacheFolder, useTensorFlow } from '@eflow/engine';
import {
  assertComparable,
  type Clips,
  createNsfwjsExtractor,
  type Extractor,
  extractFeatures,
  type OnnxExtractorOptions,
  PROTOCOL_PRESETS,
  type ProtocolName,
  recordExtractor,
  type TemporalFigures,
  temporalFigures,
} from '@eflow/fvd';
import { Command, InvalidArgumentError, Option } from 'commander';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { type ClipSource, type ClipSpec, openSource } from './clip-source.ts';
import { distinctNames } from './distinct-names.ts';
import { readSeen, takeVideos, throughCache, writeSeen } from './feature-cache.ts';
import { formatMeasurement, formatTable } from './format.ts';
import { loadDigits, loadI3D, loadOnnx } from './load-extractor.ts';
import { type FeatureRecord, type Measurement, measure, type Seen } from './measure.ts';
import { showFigures, showVideos } from './progress.ts';
import { blackAgainstWhite, KNOWN_DISTANCE } from './self-check.ts';
import { drawOf, formatRejections, formatTally } from './tally.ts';

interface Flags {
  extractor: 'i3d' | 'digits' | 'nsfwjs' | 'onnx';
  weights?: string;
  weightsSha256?: string;
  model?: string;
  layout: OnnxExtractorOptions['layout'];
  mean: Triple;
  std: Triple;
  side: number;
  protocol: ProtocolName;
  pooled?: boolean;
  frames?: number;
  stride: number;
  videos: number;
  batch: number;
  split: string;
  bootstrap: number;
  seed: number;
  json?: string;
  cache: string | false;
}

type Triple = [number, number, number];

const NAMES = Object.keys(PROTOCOL_PRESETS) as ProtocolName[];
/** Videos of a kind that a measurement needs. */
const LEAST = 3;
const MAX_SEED = 2 ** 32 - 1;

function triple(text: string): Triple {
  const numbers = text.split(',').map(Number);
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) {
    throw new InvalidArgumentError('expected three numbers, such as 0.485,0.456,0.406');
  }
  return numbers as Triple;
}

async function compare(realPath: string, generatedPath: string, flags: Flags): Promise<void> {
  const { protocol: name, stride, split, bootstrap, seed, json } = flags;
  const preset = PROTOCOL_PRESETS[name];
  const spec = toSpec(flags);
  const paths = [realPath, generatedPath];
  for (const path of paths) checkSource(path);
  if (paths.some((path) => !isNpz(path))) checkExtractor(flags);
  if (json) checkWritable(json);
  const real = await openSide('real', realPath, spec);
  const generated = await openSide('generated', generatedPath, spec);
  for (const { what, path, videos, source } of [real, generated]) {
    if (videos < LEAST && source) for (const line of formatRejections(what, source.tally())) console.error(line);
    requireEnough(path, videos);
  }
  const extractor = real.seen && generated.seen ? undefined : await openChecked(flags);
  const records = [real.seen?.record, generated.seen?.record, extractor && recordFeatures(extractor, spec)].filter(
    (record) => record !== undefined,
  );
  assertComparable(records.map((protocol) => ({ protocol }))); // before anything is looked at
  const see = async ({ what, path, source, seen: stored }: Side): Promise<Seen> => {
    const by = extractor!; // there is one unless both are files
    const lookNow = () => look(what, source!, spec, by, flags.batch);
    const seen =
      stored ??
      (await (flags.cache ? throughCache(flags.cache, { source: source!, spec, extractor: by }, lookNow) : lookNow()));
    for (const line of formatRejections(what, seen.tally)) console.error(line);
    if (countVideos(seen) < LEAST) console.error(formatTally(what, seen.tally));
    requireEnough(path, countVideos(seen));
    return seen;
  };
  const sides = { real: await see(real), generated: await see(generated) };
  const figures = showFigures();
  const measurement = measure(
    sides.real,
    sides.generated,
    {
      ...(records[0] ?? { ...UNKNOWN, numFrames: spec.numFrames, frameStride: stride }),
      covarianceRule: preset.covarianceRule,
      ...{ numReal: countVideos(sides.real), numGenerated: countVideos(sides.generated) },
      ...{ realDraw: drawOf(sides.real.tally), generatedDraw: drawOf(sides.generated.tally), split },
    },
    { bootstrap, seed, onProgress: figures.update },
  );
  figures.stop();
  for (const [path, { record }] of [
    [realPath, sides.real],
    [generatedPath, sides.generated],
  ] as const) {
    if (record) continue;
    measurement.warnings.push(
      `${path} does not say what made its features: the figures mean something only if one extractor made both`,
    );
  }
  console.log(formatMeasurement(measurement));
  if (json) {
    writeFileAtomically(json, `${JSON.stringify(measurement, null, 2)}\n`);
    console.log(json);
  }
}

function requireEnough(path: string, videos: number): void {
  if (videos < LEAST)
    throw new Error(`${path}: ${videos} videos to measure; at least ${LEAST} of each kind are needed`);
}

/** Real or generated videos: features that were seen already, or clips to look at. */
interface Side {
  what: string;
  path: string;
  /** How many there are to measure, as far as is known. */
  videos: number;
  seen?: Seen;
  source?: ClipSource;
}

async function openSide(what: string, path: string, spec: ClipSpec): Promise<Side> {
  if (isNpz(path)) {
    const seen = takeVideos(await readSeen(path), spec.most, spec.seed);
    return { what, path, videos: countVideos(seen), seen };
  }
  const source = await openSource(path, spec);
  return { what, path, videos: source.expected(), source };
}

const countVideos = ({ features }: Seen): number => features.features.length / features.numFeatures;

const isNpz = (path: string): boolean => path.endsWith('.npz');

/** Throws on what cannot be a source, before weights are loaded. */
function checkSource(path: string): void {
  if (path.endsWith('.npy')) {
    throw new Error(`${path}: .npy files are not read, .npz files are: numpy.savez('features.npz', features=array)`);
  }
  if (!existsSync(path)) {
    throw new Error(`${path}: no such file or folder; give a folder of videos, a manifest, a tar or an .npz file`);
  }
}

/** Throws if a file cannot be written there, before hours of work are lost. */
function checkWritable(file: string): void {
  const folder = dirname(file);
  try {
    if (existsSync(file) && statSync(file).isDirectory()) throw new Error('it is a folder');
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? `there is no folder ${folder}` : message;
    throw new Error(`${file} cannot be written: ${problem}`);
  }
}

const toSpec = ({ frames, protocol, stride, videos, seed }: Flags): ClipSpec => ({
  ...{ numFrames: frames ?? PROTOCOL_PRESETS[protocol].numFrames, frameStride: stride },
  ...{ most: videos, seed },
});

const recordFeatures = (extractor: Extractor, { numFrames, frameStride }: ClipSpec): FeatureRecord => ({
  ...recordExtractor(extractor),
  ...{ numFrames, frameStride },
});

/** The record of features from elsewhere. */
const UNKNOWN = { extractor: 'unknown', weightsSha256: 'unknown', feature: 'features' };

/** Throws if the weights are not those that were asked for. */
async function openChecked(flags: Flags): Promise<Extractor> {
  const extractor = await openExtractor(flags);
  const wanted = flags.weightsSha256?.toLowerCase();
  if (!wanted || extractor.weightsSha256.startsWith(wanted)) return extractor;
  throw new Error(
    `the weights of ${extractor.name} have SHA-256 ${extractor.weightsSha256}, not ${wanted}: take the file that the other numbers were measured with`,
  );
}

/** Throws if a flag that the extractor needs is missing. */
function checkExtractor({ extractor, weights, model }: Flags): void {
  if (extractor === 'i3d' && !weights) {
    throw new Error(
      'FVD needs the weights of I3D, which cannot be shipped: give them with --weights (the README says how to get them), or compare RGB videos without a download by --extractor nsfwjs, moving digits by --extractor digits',
    );
  }
  if (extractor === 'onnx' && !model) throw new Error('--extractor onnx needs the file of its model: --model FILE');
}

async function openExtractor(flags: Flags): Promise<Extractor> {
  const { extractor, weights, protocol, pooled, model, layout, mean, std, side } = flags;
  const { resize, numFrames } = PROTOCOL_PRESETS[protocol];
  await useTensorFlow();
  switch (extractor) {
    case 'digits':
      return loadDigits();
    case 'nsfwjs':
      return createNsfwjsExtractor(resize);
    case 'onnx': {
      const size = { ...resize, height: side, width: side };
      return loadOnnx(model!, { layout, resize: size, mean, std, minFrames: flags.frames ?? numFrames });
    }
    case 'i3d':
      return loadI3D(weights!, resize, pooled ? 'pooled' : 'logits');
  }
}

/** Features and motion of clips, with a progress bar; if it fails, what became of the videos is told as well. */
async function look(
  what: string,
  source: ClipSource,
  spec: ClipSpec,
  extractor: Extractor,
  batchSize: number,
): Promise<Seen> {
  const bar = showVideos(what, source.expected());
  const motion: TemporalFigures[] = [];
  async function* watched(): AsyncGenerator<Clips> {
    for await (const clips of source.batches(batchSize)) {
      if (clips.shape[1] >= 3) motion.push(...temporalFigures(clips));
      yield clips;
    }
  }
  try {
    const features = await extractFeatures(extractor, watched(), (clips) => bar.update(clips, source.expected()));
    bar.stop();
    return {
      features,
      tally: source.tally(),
      record: recordFeatures(extractor, spec),
      ...(motion.length > 0 && { motion }),
    };
  } catch (error) {
    bar.stop();
    const tally = source.tally();
    for (const line of [...formatRejections(what, tally), formatTally(what, tally)]) console.error(line);
    throw error;
  }
}

async function features(path: string, out: string, flags: Flags): Promise<void> {
  checkSource(path);
  if (isNpz(path)) throw new Error(`${path} holds features already; give videos`);
  if (!isNpz(out)) throw new Error(`${out}: give features a name that ends with .npz, by which they are read`);
  checkExtractor(flags);
  checkWritable(out);
  const spec = toSpec(flags);
  const source = await openSource(path, spec);
  const seen = await look('videos', source, spec, await openChecked(flags), flags.batch);
  for (const line of formatRejections('videos', seen.tally)) console.error(line);
  await writeSeen(out, seen);
  console.log(formatTally('videos', seen.tally));
  console.log(`${out}: features [${countVideos(seen)}, ${seen.features.numFeatures}]`);
}

async function selfCheck({ weights }: { weights: string }): Promise<void> {
  await useTensorFlow();
  const distance = await blackAgainstWhite(await loadI3D(weights, PROTOCOL_PRESETS.original.resize, 'logits'));
  const passes = Math.abs(distance - KNOWN_DISTANCE) < 1;
  console.log(
    `Black against white videos: ${distance.toFixed(2)}, expected about ${KNOWN_DISTANCE}: ${passes ? 'pass' : 'FAIL: these are not the weights of the original FVD'}`,
  );
  if (!passes) process.exitCode = 1;
}

function table(files: string[]): void {
  const names = distinctNames(files);
  const results = files.map((file, i) => ({ name: names[i]!, measurement: readMeasurement(file) }));
  console.log(formatTable(results));
}

function readMeasurement(file: string): Measurement {
  try {
    const measurement: Partial<Measurement> = JSON.parse(readFileSync(file, 'utf8'));
    if (measurement.protocol && measurement.frechetDistance !== undefined) return measurement as Measurement;
    throw new Error('it holds no protocol and distance');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as Error).message}); give what compare --json wrote`);
  }
}

const program = new Command('eflow-fvd').description('Measures generated videos against real ones.').addHelpText(
  'after',
  `
Examples:
  eflow-fvd real/ generated/ --weights i3d.safetensors
  eflow-fvd real/ generated/ --extractor nsfwjs             without a download of weights
  eflow-fvd real/ generated/ --weights i3d.safetensors --videos 256 --bootstrap 200 --json fvd.json
  eflow-fvd features real/ real.npz --weights i3d.safetensors
  eflow-fvd real.npz generated/ --weights i3d.safetensors
  eflow-fvd table a/fvd.json b/fvd.json`,
);
const shared = (command: Command): Command =>
  command
    .addOption(
      new Option('--extractor <name>', 'the network that looks at the videos')
        .choices(['i3d', 'digits', 'nsfwjs', 'onnx'])
        .default('i3d'),
    )
    .option(
      '--weights <file>',
      "I3D's weights: .safetensors or .npz with PyTorch names, or a TensorFlow SavedModel or checkpoint",
    )
    .option('--weights-sha256 <hex>', 'refuse weights whose SHA-256 does not begin so')
    .addOption(
      new Option('--protocol <name>', 'how frames are resized and the covariance is divided')
        .choices(NAMES)
        .default('stylegan-v'),
    )
    .option('--model <file>', 'model for --extractor onnx: VideoMAE, CLIP, DINO or your own; never FVD')
    .addOption(
      new Option(
        '--layout <axes>',
        "axes of the model's input; BCHW sees single frames, and their features are averaged",
      )
        .choices(['BFCHW', 'BCFHW', 'BCHW'])
        .default('BFCHW'),
    )
    .option('--mean <r,g,b>', 'per-channel mean of the model, of pixels in [0, 1]', triple, [0.485, 0.456, 0.406])
    .option('--std <r,g,b>', 'per-channel standard deviation of the model', triple, [0.229, 0.224, 0.225])
    .option('--side <pixels>', "height and width of the model's frames", integer(1), 224)
    .option('--pooled', 'take the 1024 pooled features in place of the 400 logits: not FVD')
    .option('--frames <n>', "frames per clip (default: the protocol's)", integer(1))
    .option('--stride <n>', 'take every n-th frame of a video', integer(1), 1)
    .option('--videos <n>', 'measure at most n videos of each kind, drawn by the seed', integer(LEAST), 2048)
    .option('--batch <n>', 'clips at a time; more take more memory', integer(1), 4)
    .option('--seed <n>', 'draws videos, clips of prepared videos, and the bootstrap', integer(0, MAX_SEED), 0);

shared(program.command('compare', { isDefault: true }).argument('<real>').argument('<generated>'))
  .description(
    'Prints FVD, KVD, coverage and motion of <generated> against <real>: folders of videos, manifests, tars, prepared shards, or .npz files of features.',
  )
  .option('--split <name>', 'name of the split that the real videos are, for the record', 'train')
  .option(
    '--bootstrap <n>',
    'draws for a 95 % interval; each takes as long as the distance itself',
    number('0, or an integer of at least 20', (value) => Number.isSafeInteger(value) && (value === 0 || value >= 20)),
    0,
  )
  .option('--json <file>', 'write all figures with their protocol')
  .option('--cache <folder>', 'where features are kept for the next run', join(cacheFolder(), 'fvd'))
  .option('--no-cache', 'keep nothing, and look at all videos again')
  .action(compare);
shared(program.command('features').argument('<videos>').argument('<out.npz>'))
  .description('Writes the features of videos, to be compared later or elsewhere.')
  .action(features);
program
  .command('table')
  .argument('<json...>')
  .description('Prints one table of files that compare --json wrote; refuses those measured by different protocols.')
  .action(table);
program
  .command('self-check')
  .description('Checks that weights are those of the original FVD: 16 black against 16 white videos give about 131.')
  .requiredOption('--weights <file>', "I3D's weights")
  .action(selfCheck);
await runProgram(program);
