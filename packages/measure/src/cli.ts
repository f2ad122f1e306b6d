#!/usr/bin/env node
import { join } from 'node:path';
import { integer, number, runProgram } from '@eflow/cli';
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
        .choices([...EXTRACTOR_NAMES])
        .default('i3d'),
    )
    .option(
      '--weights <file>',
      "I3D's weights: .safetensors or .npz with PyTorch names, or a TensorFlow SavedModel or checkpoint",
    )
    .option('--weights-sha256 <hex>', 'refuse weights whose SHA-256 does not begin so')
    .addOption(
      new Option('--protocol <name>', 'how frames are resized and the covariance is divided')
        .choices(Object.keys(PROTOCOL_PRESETS))
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
    .option('--videos <n>', 'measure at most n videos of each kind, drawn by the seed', integer(LEAST_VIDEOS), 2048)
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
  .description(
    'Prints one table of what compare --json, training and evaluations measured; refuses those measured by different protocols.',
  )
  .action(table);
program
  .command('self-check')
  .description('Checks that weights are those of the original FVD: 16 black against 16 white videos give about 131.')
  .requiredOption('--weights <file>', "I3D's weights")
  .action(selfCheck);
await runProgram(program);
