import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createBatches, openVideos, prepareVideos, readIndex, type VideosSpec } from '@eflow/data';
import type { Command } from 'commander';
import { formatHead, formatRows, gigabytes, percent } from '../format.ts';
import type { Machine } from '../machine.ts';
import { positiveInteger } from '../options.ts';
import { say, startSession, writeReport } from '../session.ts';
import { type Summary, summarise } from '../statistics.ts';
import { writeClips } from './clips.ts';

interface Flags {
  clips: number;
  rounds: number;
  json?: string | true;
}

/** Of the files; of the shards; of a clip in training. */
const [SOURCE_SIDE, SIDE, NUM_FRAMES, SECONDS] = [256, 64, 16, 2];
const JOBS = 2;
const BATCH_SIZE = 16;
/** digits-small's clips are made by this command's peer in training. */
const PRESET = 'digits-small';
const LOADED_CLIPS = 4000;
const PREFETCHES = [2, 32];

interface DataReport {
  machine: Machine;
  date: string;
  clips: number;
  framesPerClip: number;
  /** Clips per second of each turn's parts. */
  prepare: Summary;
  decodeAlone: Summary;
  /** Ratio of the two in the same turn. */
  prepareOverDecode: Summary;
  loadedClipsPerSecond: Summary;
  trainedClipsPerSecond: number;
  /** Growth of resident memory with so many batches ahead, and what they hold. */
  memory: { prefetch: number; grownBytes: number; batchBytes: number }[];
}

export function addDataCommand(program: Command): void {
  program
    .command('data')
    .description(
      'Preparing videos (decode, resize, crop, write) beside decoding them alone by node-av; loading what was prepared beside what training consumes; memory of prefetching.',
    )
    .option(
      '--clips <n>',
      `files of H.264, ${SOURCE_SIDE}x${SOURCE_SIDE}, ${SECONDS} seconds each`,
      positiveInteger,
      64,
    )
    .option('--rounds <n>', 'turns', positiveInteger, 5)
    .option('--json [file]', 'write all figures as JSON, to standard output without a file')
    .action(dataBenchmark);
}

async function dataBenchmark({ clips, rounds, json }: Flags): Promise<void> {
  const { machine } = startSession();
  const work = mkdtempSync(join(tmpdir(), 'eflow-bench-data-'));
  try {
    say(`Encoding ${clips} clips of ${SOURCE_SIDE}x${SOURCE_SIDE}, which is not measured.`);
    const source = join(work, 'source');
    await writeClips(source, clips, SOURCE_SIDE, SECONDS);
    const files = readdirSync(source).map((name) => join(source, name));
    const turns: { prepare: number; decode: number }[] = [];
    const folder = join(work, 'shards');
    for (let turn = 0; turn <= rounds; turn++) {
      say(`Turn ${turn} of ${rounds}${turn === 0 ? ', which is not counted' : ''}.`);
      rmSync(folder, { recursive: true, force: true });
      const prepare = await time(() =>
        prepareVideos({ source: { path: source }, out: folder, height: SIDE, width: SIDE, jobs: JOBS }),
      );
      const decode = await time(() => decodeAlone(files));
      if (turn > 0) turns.push({ prepare, decode });
    }
    const { counts, shards } = readIndex(folder);
    if (counts.ok !== clips) throw new Error(`${counts.rejected + counts.short} clips of the benchmark are damaged`);

    const spec: VideosSpec = { folder, numFrames: NUM_FRAMES, frameStride: 2, start: 'random', flip: true, seed: 0 };
    const loaded = Array.from({ length: rounds }, () => loadClips(spec));
    say(`A training step of ${PRESET}.`);
    const trained = trainingSpeed();
    const memory = [];
    for (const prefetch of PREFETCHES) memory.push(await measureMemory(spec, prefetch));

    const report: DataReport = {
      ...{ machine, date: new Date().toISOString(), clips, framesPerClip: shards[0]!.videos[0]!.numFrames },
      prepare: summarise(turns.map((turn) => clips / turn.prepare)),
      decodeAlone: summarise(turns.map((turn) => clips / turn.decode)),
      prepareOverDecode: summarise(turns.map(({ prepare, decode }) => decode / prepare)),
      loadedClipsPerSecond: summarise(loaded),
      trainedClipsPerSecond: trained,
      memory,
    };
    writeReport(report, json, formatReport);
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function time(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** Decodes the files in as many processes as preparing has. */
async function decodeAlone(files: readonly string[]): Promise<void> {
  const script = fileURLToPath(new URL('./raw-decode.ts', import.meta.url));
  const shares = Array.from({ length: JOBS }, (_, job) => files.filter((__, i) => i % JOBS === job));
  await Promise.all(
    shares.map(
      (share) =>
        new Promise<void>((done, failed) => {
          const child = spawn(process.execPath, [...process.execArgv, script, ...share], {
            stdio: ['ignore', 'pipe', 'inherit'],
          });
          let frames = '';
          child.stdout.on('data', (text) => {
            frames += text;
          });
          child.on('close', () => (Number(frames) > 0 ? done() : failed(new Error('node-av decoded no frame'))));
        }),
    ),
  );
}

/** Clips per second that one thread takes out of the shards. */
function loadClips(spec: VideosSpec): number {
  const clips = openVideos(spec);
  const start = performance.now();
  for (let i = 0; i < LOADED_CLIPS; i++) clips.clip(i);
  const seconds = (performance.now() - start) / 1000;
  clips.close();
  return LOADED_CLIPS / seconds;
}

/** Clips per second that training takes. */
function trainingSpeed(): number {
  const train = fileURLToPath(new URL('../../../apps/train/src/main.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, train, PRESET, 'training.batchSize=16', '--dry-run', '--json'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`train --dry-run failed: ${stderr}`);
  return 16 / JSON.parse(stdout).stepSeconds;
}

/** What a consumer that is slower than the worker makes memory grow by. */
async function measureMemory(spec: VideosSpec, prefetch: number) {
  const batchBytes = BATCH_SIZE * NUM_FRAMES * SIDE * SIDE * 3;
  const resident = () => {
    (globalThis as { gc?: () => void }).gc?.();
    return process.memoryUsage.rss();
  };
  const first = createBatches(spec, { batchSize: BATCH_SIZE, prefetch: 1 });
  await first.next(); // what a worker costs, whatever it prefetches
  await setTimeout(500);
  const before = resident();
  await first.close();
  const batches = createBatches(spec, { batchSize: BATCH_SIZE, prefetch });
  let most = 0;
  for (let i = 0; i < 20; i++) {
    await batches.next();
    await setTimeout(100);
    most = Math.max(most, resident());
  }
  await batches.close();
  return { prefetch, grownBytes: most - before, batchBytes };
}

function formatReport(report: DataReport): string {
  const rate = ({ median, lowerQuartile, upperQuartile }: Summary, digits = 0) =>
    `${median.toFixed(digits)} (${lowerQuartile.toFixed(digits)} to ${upperQuartile.toFixed(digits)})`;
  const { machine, date, clips, framesPerClip, prepare, decodeAlone, prepareOverDecode: ratio } = report;
  const times = report.loadedClipsPerSecond.median / report.trainedClipsPerSecond;
  return [
    formatHead({ machine, versions: {}, date, skipped: [] }),
    '',
    `${clips} files of H.264, ${SOURCE_SIDE}x${SOURCE_SIDE}, ${framesPerClip} frames each, on ${JOBS} processes:`,
    formatRows([
      ['', 'clips/s, with quartiles', 'frames/s'],
      [
        `decode, resize to ${SIDE}x${SIDE}, write shards`,
        rate(prepare, 1),
        (prepare.median * framesPerClip).toFixed(0),
      ],
      ['decode alone, by node-av', rate(decodeAlone, 1), (decodeAlone.median * framesPerClip).toFixed(0)],
    ]),
    `Preparing is ${rate(ratio, 2)} times as fast as decoding alone.`,
    '',
    `Loading clips of ${NUM_FRAMES}x${SIDE}x${SIDE} from shards, one thread: ${rate(report.loadedClipsPerSecond)} clips/s; training ${PRESET} takes ${report.trainedClipsPerSecond.toFixed(1)}: ${times.toFixed(0)} times as fast.`,
    ...report.memory.map(
      ({ prefetch, grownBytes, batchBytes }) =>
        `Prefetching ${prefetch} batches of ${(batchBytes / 1e6).toFixed(1)} MB: memory grew by ${gigabytes(grownBytes)} GB, ${percent(grownBytes / (batchBytes * (prefetch + 2)))} of prefetch + 2 batches.`,
    ),
  ].join('\n');
}
