import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { appFile, integer, percent, runNode, textTable } from '@eflow/cli';
import { createBatches, openVideos, prepareVideos, readIndex, type VideosSpec } from '@eflow/data';
import type { Command } from 'commander';
import { formatHead, gigabytes } from '../format.ts';
import { createRecorder, JSON_OPTION, type Machine, type Progress, startSession, withWorkFolder } from '../session.ts';
import { type Summary, summarise } from '../statistics.ts';
import { writeClips } from './clips.ts';

interface Flags {
  clips: number;
  rounds: number;
  json?: string | true;
}

/** The files are of so many pixels to a side and seconds; the shards of so many pixels, and a clip in training of so many frames. */
const [SOURCE_SIDE, SECONDS, SIDE, NUM_FRAMES] = [256, 2, 64, 16];
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
  /** Clips per second of each turn's parts. What follows them is absent from a benchmark that was stopped before. */
  prepare: Summary;
  decodeAlone: Summary;
  /** Ratio of the two in the same turn. */
  prepareOverDecode: Summary;
  loadedClipsPerSecond?: Summary;
  trainedClipsPerSecond?: number;
  /** Growth of resident memory with so many batches ahead, and what they hold. */
  memory: { prefetch: number; grownBytes: number; batchBytes: number }[];
}

export function addDataCommand(program: Command): void {
  program
    .command('data')
    .description(
      'Preparing videos (decode, resize, crop, write) beside decoding them alone by node-av; loading what was prepared beside what training consumes; memory of prefetching.',
    )
    .option('--clips <n>', `files of H.264, ${SOURCE_SIDE}x${SOURCE_SIDE}, ${SECONDS} seconds each`, integer(1), 64)
    .option('--rounds <n>', 'turns', integer(1), 5)
    .option(...JSON_OPTION)
    .action(dataBenchmark);
}

async function dataBenchmark({ clips, rounds, json }: Flags): Promise<void> {
  const record = createRecorder(json, formatReport);
  const { machine } = startSession();
  await record(1 + (rounds + 1) + 2 + PREFETCHES.length, (progress, keep) =>
    withWorkFolder((work) => measureData(work, { clips, rounds }, machine, progress, keep)),
  );
}

/** `onResult` gets what has been measured so far. */
async function measureData(
  work: string,
  { clips, rounds }: Pick<Flags, 'clips' | 'rounds'>,
  machine: Machine,
  progress: Progress,
  onResult: (report: DataReport) => void,
): Promise<DataReport> {
  progress.say(`encoding ${clips} clips of ${SOURCE_SIDE}x${SOURCE_SIDE}, which is not measured`);
  const source = join(work, 'source');
  await writeClips(source, clips, SOURCE_SIDE, SECONDS);
  progress.advance();
  const files = readdirSync(source).map((name) => join(source, name));
  const folder = join(work, 'shards');
  const turns: { prepare: number; decode: number }[] = [];
  const memory: DataReport['memory'] = [];
  const measured: Pick<DataReport, 'loadedClipsPerSecond' | 'trainedClipsPerSecond'> = {};
  const report = (): DataReport => ({
    machine,
    date: new Date().toISOString(),
    clips,
    framesPerClip: readIndex(folder).shards[0]!.videos[0]!.numFrames,
    prepare: summarise(turns.map((turn) => clips / turn.prepare)),
    decodeAlone: summarise(turns.map((turn) => clips / turn.decode)),
    prepareOverDecode: summarise(turns.map(({ prepare, decode }) => decode / prepare)),
    ...measured,
    memory,
  });
  for (let turn = 0; turn <= rounds; turn++) {
    progress.say(`turn ${turn} of ${rounds}${turn === 0 ? ', which is not counted' : ''}`);
    rmSync(folder, { recursive: true, force: true });
    const prepare = await time(() =>
      prepareVideos({ source: { path: source }, out: folder, height: SIDE, width: SIDE, jobs: JOBS }),
    );
    const { ok, rejected, short } = readIndex(folder).counts;
    if (ok !== clips) throw new Error(`${rejected + short} clips of the benchmark are damaged`);
    const decode = await time(() => decodeAlone(files));
    progress.advance();
    if (turn === 0) continue;
    turns.push({ prepare, decode });
    onResult(report());
  }

  const spec: VideosSpec = { folder, numFrames: NUM_FRAMES, frameStride: 2, start: 'random', flip: true, seed: 0 };
  progress.say('loading clips');
  measured.loadedClipsPerSecond = summarise(Array.from({ length: rounds }, () => loadClips(spec)));
  progress.advance();
  onResult(report());
  progress.say(`a training step of ${PRESET}`);
  measured.trainedClipsPerSecond = await trainingSpeed();
  progress.advance();
  onResult(report());
  for (const prefetch of PREFETCHES) {
    progress.say(`memory with ${prefetch} batches ahead`);
    memory.push(await measureMemory(spec, prefetch));
    progress.advance();
    onResult(report());
  }
  return report();
}

async function time(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** Decodes the files in as many processes as preparing has. */
async function decodeAlone(files: readonly string[]): Promise<void> {
  const shares = Array.from({ length: JOBS }, (_, job) => files.filter((__, i) => i % JOBS === job));
  const busy = shares.filter((share) => share.length > 0);
  const frames = await Promise.all(busy.map((share) => runNode(new URL('./raw-decode.ts', import.meta.url), share)));
  if (!frames.every((count) => Number(count) > 0)) throw new Error('node-av decoded no frame');
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
async function trainingSpeed(): Promise<number> {
  const flags = [PRESET, `training.batchSize=${BATCH_SIZE}`, '--dry-run', '--json'];
  return BATCH_SIZE / JSON.parse(await runNode(appFile('train'), flags)).stepSeconds;
}

/** What a consumer that is slower than the worker makes memory grow by. */
async function measureMemory(spec: VideosSpec, prefetch: number) {
  const batchBytes = BATCH_SIZE * NUM_FRAMES * SIDE * SIDE * 3;
  const resident = () => {
    (globalThis as { gc?: () => void }).gc?.();
    return process.memoryUsage.rss();
  };
  const first = createBatches({ kind: 'videos', ...spec }, { batchSize: BATCH_SIZE, prefetch: 1 });
  await first.next(); // what a worker costs, whatever it prefetches
  await setTimeout(500);
  const before = resident();
  await first.close();
  const batches = createBatches({ kind: 'videos', ...spec }, { batchSize: BATCH_SIZE, prefetch });
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
  const { loadedClipsPerSecond: loaded, trainedClipsPerSecond: trained } = report;
  return [
    formatHead({ machine, versions: {}, date, skipped: [] }),
    '',
    `${clips} files of H.264, ${SOURCE_SIDE}x${SOURCE_SIDE}, ${framesPerClip} frames each, on ${JOBS} processes:`,
    textTable([
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
    ...(loaded
      ? [`Loading clips of ${NUM_FRAMES}x${SIDE}x${SIDE} from shards, one thread: ${rate(loaded)} clips/s.`]
      : []),
    ...(loaded && trained
      ? [
          `Training ${PRESET} takes ${trained.toFixed(1)} clips/s: loading is ${(loaded.median / trained).toFixed(0)} times as fast.`,
        ]
      : []),
    ...report.memory.map(
      ({ prefetch, grownBytes, batchBytes }) =>
        `Prefetching ${prefetch} batches of ${(batchBytes / 1e6).toFixed(1)} MB: memory grew by ${gigabytes(grownBytes)} GB, ${percent(grownBytes / (batchBytes * (prefetch + 2)))} of prefetch + 2 batches.`,
    ),
  ].join('\n');
}
