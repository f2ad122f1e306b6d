#!/usr/bin/env node
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { LAYOUTS, type Layout } from './videos/find-videos.ts';
import { prepareVideos } from './videos/prepare.ts';
import { countVideos, readIndex } from './videos/shards.ts';

interface PrepareFlags {
  out: string;
  size: [height: number, width: number];
  layout?: Layout;
  list?: string;
  fps?: number;
  minFrames: number;
  maxFrames: number;
  perShard: number;
  jobs: number;
  deadline: number;
  maxRejected: number;
}

function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}

function toSize(text: string): [number, number] {
  const [height, width, ...rest] = text.split('x').map(Number);
  if (rest.length > 0 || !Number.isInteger(height) || !Number.isInteger(width ?? height)) {
    throw new InvalidArgumentError('expected a side, or height x width, such as 64 or 48x64');
  }
  return [height!, width ?? height!];
}

async function prepare(path: string, flags: PrepareFlags): Promise<void> {
  const { out, size, layout, list, fps } = flags;
  const bar = new SingleBar({
    format: '{bar} {value} of {total} videos | {rejected} rejected | {duration_formatted} + {eta_formatted} to go',
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  });
  let isOpen = false;
  try {
    const { counts, classes } = await prepareVideos({
      source: { path, ...(layout && { layout }), ...(list && { list }) },
      ...{ out, height: size[0], width: size[1], ...(fps && { fps }) },
      ...{ minFrames: flags.minFrames, maxFrames: flags.maxFrames, videosPerShard: flags.perShard, jobs: flags.jobs },
      ...{ deadlineSeconds: flags.deadline, maxRejected: flags.maxRejected },
      onProgress({ done, total, rejected }) {
        if (!isOpen) bar.start(total, 0, { rejected });
        isOpen = true;
        bar.update(done, { rejected });
      },
    });
    bar.stop();
    console.log(
      `${counts.seen} videos seen = ${counts.ok} ok + ${counts.short} short + ${counts.rejected} rejected (${join(out, 'rejected.jsonl')}); ${classes.length} classes.`,
    );
    console.log(`To train on them, in a config:
data:
  kind: videos
  folder: ${out}
  height: ${size[0]}
  width: ${size[1]}
  numFrames: 16
  numClasses: ${classes.length}`);
  } finally {
    if (isOpen) bar.stop();
  }
}

async function inspect(folder: string, flags: { out?: string; clips: number; frames: number; stride: number }) {
  const { counts, classes, shards, height, width } = readIndex(folder);
  const videos = shards.flatMap((shard) => shard.videos);
  const frames = videos.map(({ numFrames }) => numFrames).sort((a, b) => a - b);
  console.log(`${counts.seen} videos seen = ${counts.ok} ok + ${counts.short} short + ${counts.rejected} rejected`);
  console.log(
    `${height}x${width} pixels; ${frames[0]} to ${frames.at(-1)} frames, ${frames.reduce((a, b) => a + b, 0)} in all`,
  );
  for (const [i, label] of classes.entries()) {
    console.log(`  class ${i}: ${label}, ${videos.filter((video) => (video.label ?? label) === label).length} videos`);
  }
  const { rejected } = countVideos(shards, []);
  if (rejected > 0) console.log(`rejected: ${join(folder, 'rejected.jsonl')}`);
  const { writeContactSheet } = await import('./videos/contact-sheet.ts');
  const file = flags.out ?? join(folder, 'contact-sheet.png');
  const spec = {
    folder,
    numFrames: flags.frames,
    frameStride: flags.stride,
    start: 'middle',
    flip: false,
    seed: 0,
  } as const;
  await writeContactSheet(file, spec, flags.clips);
  console.log(`contact sheet: ${file}`);
}

const program = new Command('eflow-data').description('Makes videos ready for training.');
program
  .command('prepare')
  .description('Decodes a dataset of videos, brings them to one size and writes them as shards of frames.')
  .argument(
    '<source>',
    'a folder of videos or of WebDataset tars, a tar, or a manifest (CSV, JSONL, Parquet: path, label, caption, start, end)',
  )
  .requiredOption('--out <folder>', 'for the shards; the same command goes on with what an interrupted one left')
  .requiredOption(
    '--size <pixels>',
    'a side, or height x width: the video is made as small as covers them, and its middle cut out',
    toSize,
  )
  .addOption(
    new Option('--layout <name>', 'how the source says what it holds (default: told by its path)').choices(LAYOUTS),
  )
  .option('--list <file>', 'kinetics: the CSV of annotations; ucf101: a list such as trainlist01.txt')
  .option('--fps <rate>', "frames per second (default: the videos' own)", toNumber)
  .option('--min-frames <n>', 'a video of fewer is rejected', toNumber, 1)
  .option('--max-frames <n>', 'a video of more is rejected', toNumber, 10_000)
  .option('--per-shard <n>', 'videos of a shard', toNumber, 256)
  .option('--jobs <n>', 'processes that decode', toNumber, availableParallelism())
  .option('--deadline <seconds>', 'of decoding one video', toNumber, 30)
  .option('--max-rejected <share>', 'of the videos that may be rejected', toNumber, 0.05)
  .action(prepare);
program
  .command('inspect')
  .description('Tells what prepared videos there are, and writes a sheet of frames.')
  .argument('<folder>', 'that prepare wrote')
  .option('--out <file>', 'the sheet, a PNG (default: in the folder)')
  .option('--clips <n>', 'rows of the sheet', toNumber, 12)
  .option('--frames <n>', 'of a row', toNumber, 8)
  .option('--stride <n>', 'frames of the video from one to the next', toNumber, 1)
  .action(inspect);
program.parseAsync().catch((error: Error) => {
  console.error(`\neflow-data: ${error.message}`);
  process.exitCode = 1;
});
