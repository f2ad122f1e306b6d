#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
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
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { sync as writeFileAtomically } from 'write-file-atomic';
import { type ClipSpec, openSource } from './clip-source.ts';
import { readSeen, throughCache, writeSeen } from './feature-cache.ts';
import { formatMeasurement, formatTable } from './format.ts';
import { loadDigits, loadI3D, loadOnnx } from './load-extractor.ts';
import { type FeatureRecord, measure, type Seen } from './measure.ts';
import { blackAgainstWhite, KNOWN_DISTANCE } from './self-check.ts';

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
const integer = (least: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
    throw new InvalidArgumentError(`expected an integer from ${least} on`);
  }
  return value;
};

function triple(text: string): Triple {
  const numbers = text.split(',').map(Number);
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) {
    throw new InvalidArgumentError('expected three numbers, such as 0.485,0.456,0.406');
  }
  return numbers as Triple;
}

async function compare(realPath: string, generatedPath: string, flags: Flags): Promise<void> {
  const { protocol: name, stride, videos, split, bootstrap, seed, json } = flags;
  const preset = PROTOCOL_PRESETS[name];
  const numFrames = flags.frames ?? preset.numFrames;
  const paths = { real: realPath, generated: generatedPath };
  const stored = (path: string) => (path.endsWith('.npz') ? readSeen(path) : undefined);
  const files = { real: await stored(realPath), generated: await stored(generatedPath) };
  const extractor = files.real && files.generated ? undefined : await openChecked(flags);
  const records = [
    files.real?.record,
    files.generated?.record,
    extractor && recordFeatures(extractor, numFrames, stride),
  ].filter((record) => record !== undefined);
  assertComparable(records.map((protocol) => ({ protocol }))); // before anything is looked at
  const see = (what: keyof typeof paths): Promise<Seen> => {
    const path = paths[what];
    const spec = { numFrames, frameStride: stride, most: videos, seed };
    const by = extractor!; // there is one unless both are files
    const lookNow = () => look(what, path, spec, by, flags.batch);
    return flags.cache ? throughCache(flags.cache, { path, spec, extractor: by }, lookNow) : lookNow();
  };
  const real = files.real ?? (await see('real'));
  const generated = files.generated ?? (await see('generated'));
  const count = ({ features }: Seen) => features.features.length / features.numFeatures;
  const measurement = measure(
    real,
    generated,
    {
      ...(records[0] ?? { ...UNKNOWN, numFrames, frameStride: stride }),
      covarianceRule: preset.covarianceRule,
      ...{ numReal: count(real), numGenerated: count(generated), split },
    },
    { bootstrap, seed },
  );
  for (const [path, { record }] of [
    [realPath, real],
    [generatedPath, generated],
  ] as const) {
    if (record) continue;
    measurement.warnings.push(
      `${path} does not say what its features are of: a distance is one only if both are of the same`,
    );
  }
  console.log(formatMeasurement(measurement));
  if (json) {
    writeFileAtomically(json, `${JSON.stringify(measurement, null, 2)}\n`);
    console.log(json);
  }
}

const recordFeatures = (extractor: Extractor, numFrames: number, frameStride: number): FeatureRecord => ({
  ...recordExtractor(extractor),
  ...{ numFrames, frameStride },
});

/** Of features from elsewhere. */
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

async function openExtractor(flags: Flags): Promise<Extractor> {
  const { extractor, weights, protocol, pooled, model, layout, mean, std, side } = flags;
  const { resize, numFrames } = PROTOCOL_PRESETS[protocol];
  if (extractor === 'i3d' && !weights) {
    throw new Error(
      'FVD is of I3D, whose weights cannot be shipped: give them with --weights (README: how to have them), or measure grey moving digits with --extractor digits',
    );
  }
  if (extractor === 'onnx' && !model) throw new Error('--extractor onnx needs the file of its model: --model FILE');
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

/** Features and motion of clips, with a progress line. */
async function look(
  what: string,
  path: string,
  spec: ClipSpec,
  extractor: Extractor,
  batchSize: number,
): Promise<Seen> {
  const source = openSource(path, spec);
  const bar = new SingleBar({
    format: `${what.padEnd(9)} {value} videos | {duration_formatted}`,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    stream: process.stderr,
  });
  bar.start(0, 0);
  const motion: TemporalFigures[] = [];
  async function* watched(): AsyncGenerator<Clips> {
    for await (const clips of source.batches(batchSize)) {
      if (clips.shape[1] >= 3) motion.push(...temporalFigures(clips));
      yield clips;
    }
  }
  try {
    const features = await extractFeatures(extractor, watched(), (clips) => bar.update(clips));
    return {
      features,
      record: recordFeatures(extractor, spec.numFrames, spec.frameStride),
      ...(motion.length > 0 && { motion }),
    };
  } finally {
    bar.stop();
    for (const { path, code, problem } of source.rejected) console.error(`rejected ${path} (${code}): ${problem}`);
  }
}

async function features(path: string, out: string, flags: Flags): Promise<void> {
  const extractor = await openChecked(flags);
  const numFrames = flags.frames ?? PROTOCOL_PRESETS[flags.protocol].numFrames;
  const spec = { numFrames, frameStride: flags.stride, most: flags.videos, seed: flags.seed };
  const seen = await look('videos', path, spec, extractor, flags.batch);
  await writeSeen(out, seen);
  const { features: values, numFeatures } = seen.features;
  console.log(`${out}: features [${values.length / numFeatures}, ${numFeatures}]`);
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
  const read = (file: string) => ({
    name: basename(file, '.json'),
    measurement: JSON.parse(readFileSync(file, 'utf8')),
  });
  console.log(formatTable(files.map(read)));
}

const program = new Command('eflow-fvd').description('Measures generated videos against real ones.');
const shared = (command: Command): Command =>
  command
    .addOption(
      new Option('--extractor <name>', 'what looks at the videos')
        .choices(['i3d', 'digits', 'nsfwjs', 'onnx'])
        .default('i3d'),
    )
    .option(
      '--weights <file>',
      'of I3D: .safetensors or .npz by their PyTorch names, or a TensorFlow SavedModel or checkpoint',
    )
    .option('--weights-sha256 <hex>', 'refuse other weights; the first digits will do')
    .addOption(
      new Option('--protocol <name>', 'how frames are resized and the covariance is divided')
        .choices(NAMES)
        .default('stylegan-v'),
    )
    .option('--model <file>', 'of --extractor onnx: VideoMAE, CLIP, DINO or any other of your own; never FVD')
    .addOption(
      new Option('--layout <axes>', "of the model's input; BCHW: frame by frame, and the mean")
        .choices(['BFCHW', 'BCFHW', 'BCHW'])
        .default('BFCHW'),
    )
    .option('--mean <r,g,b>', 'of pixels in [0, 1], that the model takes away', triple, [0.485, 0.456, 0.406])
    .option('--std <r,g,b>', 'that it divides by', triple, [0.229, 0.224, 0.225])
    .option('--side <pixels>', 'of the frames that it takes', integer(1), 224)
    .option('--pooled', 'the 1024 pooled features in place of the 400 logits: not FVD')
    .option('--frames <n>', "of a clip (default: the protocol's)", integer(1))
    .option('--stride <n>', 'frames of a video from one of a clip to the next', integer(1), 1)
    .option('--videos <n>', 'of each kind, at most', integer(3), 2048)
    .option('--batch <n>', 'clips at once: memory', integer(1), 4)
    .option('--seed <n>', 'of starts in prepared videos, and of the bootstrap', integer(0), 0);

shared(program.command('compare', { isDefault: true }).argument('<real>').argument('<generated>'))
  .description(
    'FVD, KVD, coverage and motion of <generated> against <real>: folders of videos, manifests, tars, prepared shards, or .npz files of features.',
  )
  .option('--split <name>', 'of the real videos, for the record', 'train')
  .option('--bootstrap <n>', 'draws for an interval; each takes as long as the distance itself', integer(0), 0)
  .option('--json <file>', 'write all figures with their protocol')
  .option('--cache <folder>', 'for what was seen of videos', join(cacheFolder(), 'fvd'))
  .option('--no-cache', 'look at all videos again')
  .action(compare);
shared(program.command('features').argument('<videos>').argument('<out.npz>'))
  .description('Writes the features of videos, to be compared later or elsewhere.')
  .action(features);
program
  .command('table')
  .argument('<json...>')
  .description('One table of what compare --json wrote; refused where the protocols differ.')
  .action(table);
program
  .command('self-check')
  .description('Whether weights are those of the original FVD: 16 black against 16 white videos give about 131.')
  .requiredOption('--weights <file>', 'of I3D')
  .action(selfCheck);
program.parseAsync().catch((error: Error) => {
  console.error(`\neflow-fvd: ${error.message}`);
  process.exitCode = 1;
});
