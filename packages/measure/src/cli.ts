#!/usr/bin/env node
import { join } from 'node:path';
import { examples, integer, number, runProgram } from '@eflow/cli';
import { cacheFolder } from '@eflow/engine';
import { PROTOCOL_PRESETS } from '@eflow/fvd';
import { Command, InvalidArgumentError, Option } from 'commander';
import { compare, LEAST_VIDEOS } from './commands/compare.ts';
import { features } from './commands/features.ts';
import { selfCheck } from './commands/self-check.ts';
import { table } from './commands/table.ts';
import { EXTRACTOR_NAMES } from './extractors.ts';

const MAX_SEED = 2 ** 32 - 1;

function triple(text: string): [number, number, number] {
  const numbers = text.split(',').map(Number);
  if (numbers.length === 3 && numbers.every(Number.isFinite)) return numbers as [number, number, number];
  throw new InvalidArgumentError('expected three numbers, such as 0.485,0.456,0.406');
}

function heldOut(text: string): number | string {
  const share = Number(text);
  if (Number.isNaN(share) || text.trim() === '') return text;
  if (share > 0 && share < 1) return share;
  throw new InvalidArgumentError('expected a share between 0 and 1, such as 0.05, or the file of a list of paths');
}

const EXAMPLES = {
  compare: [
    'shards generated --extractor nsfwjs',
    'shards generated --extractor nsfwjs --held-out 0.05',
    'real/ generated/ --weights i3d.safetensors --json fvd.json',
    'real/ generated/ --weights i3d.safetensors --videos 256 --bootstrap 200',
    'real.npz generated/ --weights i3d.safetensors',
  ],
  features: ['features real/ real.npz --weights i3d.safetensors'],
  table: ['table a/fvd.json b/fvd.json'],
  selfCheck: ['self-check --weights i3d.safetensors'],
};

const program = new Command('fvd')
  .description('Measures generated videos against real ones.')
  .addHelpText('after', examples('fvd', ...Object.values(EXAMPLES).flat()));
const shared = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--extractor <name>',
        'network that makes the features: I3D for FVD, nsfwjs for RGB videos without a download, the digits classifier, or your own model',
      )
        .choices([...EXTRACTOR_NAMES])
        .default('i3d'),
    )
    .option(
      '--weights <file>',
      "I3D's weights: .safetensors or .npz with PyTorch names, or a TensorFlow SavedModel or checkpoint",
    )
    .option('--weights-sha256 <hex>', 'refuse weights whose SHA-256 does not begin with these digits')
    .addOption(
      new Option('--protocol <name>', 'how frames are resized, and whether the covariance is divided by N or N - 1')
        .choices(Object.keys(PROTOCOL_PRESETS))
        .default('stylegan-v'),
    )
    .option('--model <file>', 'model for --extractor onnx: VideoMAE, CLIP, DINO or your own (its distance is not FVD)')
    .addOption(
      new Option('--layout <axes>', "axes of the model's input; with BCHW, features of single frames are averaged")
        .choices(['BFCHW', 'BCFHW', 'BCHW'])
        .default('BFCHW'),
    )
    .option(
      '--mean <r,g,b>',
      'per-channel mean that the model expects, for pixels in [0, 1]',
      triple,
      [0.485, 0.456, 0.406],
    )
    .option('--std <r,g,b>', 'per-channel standard deviation that the model expects', triple, [0.229, 0.224, 0.225])
    .option('--side <pixels>', "height and width of the model's frames", integer(1), 224)
    .option('--pooled', 'use the 1024 pooled features instead of the 400 logits (not FVD)')
    .option(
      '--frames <n>',
      "frames per clip (default: the protocol's, or as many as generated shards have)",
      integer(1),
    )
    .option(
      '--stride <n>',
      'take every n-th frame of a video (default: as the run behind generated shards was trained, or 1)',
      integer(1),
    )
    .option(
      '--videos <n>',
      'measure at most n real and n generated videos, drawn by the seed',
      integer(LEAST_VIDEOS),
      2048,
    )
    .option('--batch <n>', 'clips per batch; more take more memory', integer(1), 4)
    .option('--seed <n>', 'seed for drawing videos, starts of clips, and the bootstrap', integer(0, MAX_SEED), 0);

shared(program.command('compare', { isDefault: true }).argument('<real>').argument('<generated>'))
  .description(
    'Prints FVD, KVD, coverage and motion of <generated> against <real>: folders of videos, manifests, tars, prepared shards, or .npz files of features.',
  )
  .option('--split <name>', 'split that the real videos belong to, for the record (default: train, or held-out)')
  .option(
    '--held-out <part>',
    "of prepared real videos, measure against the part that a run held out: its config's data.heldOut, a share or a file",
    heldOut,
  )
  .option(
    '--bootstrap <n>',
    'resamples for a 95 % bootstrap interval; each takes as long as the distance itself',
    number('0, or an integer of at least 20', (value) => Number.isSafeInteger(value) && (value === 0 || value >= 20)),
    0,
  )
  .option('--json <file>', 'write all figures and their protocol')
  .option('--cache <folder>', 'folder that keeps features for the next run', join(cacheFolder(), 'fvd'))
  .option('--no-cache', 'compute all features again, and keep none')
  .addHelpText('after', examples('fvd', ...EXAMPLES.compare))
  .action(compare);
shared(program.command('features').argument('<videos>').argument('<out.npz>'))
  .description('Writes the features of videos to a file, for later comparisons.')
  .addHelpText('after', examples('fvd', ...EXAMPLES.features))
  .action(features);
program
  .command('table')
  .argument('<json...>')
  .description(
    'Prints one table of the figures that compare --json, training and evaluate wrote; refuses to mix protocols.',
  )
  .addHelpText('after', examples('fvd', ...EXAMPLES.table))
  .action(table);
program
  .command('self-check')
  .description(
    'Checks that weights are those of the original FVD (16 black against 16 white videos give about 131), and remembers those that pass.',
  )
  .requiredOption('--weights <file>', "I3D's weights")
  .addHelpText('after', examples('fvd', ...EXAMPLES.selfCheck))
  .action(selfCheck);
await runProgram(program);
