import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBatches } from '../batches.ts';
import type { ShardIndex, ShardVideo } from './shards.ts';
import { openVideos } from './video-clips.ts';
import type { VideosSpec } from './videos-spec.ts';

const [HEIGHT, WIDTH] = [2, 3];
const FRAME_BYTES = HEIGHT * WIDTH * 3;

let folder: string;
let spec: VideosSpec;
/** Videos of 4, 5, ... 10 frames in two shards; pixel [0, 0] of a frame is (video, frame, 0), [0, 2] is (video, frame, 1). */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shards-'));
  spec = { folder, numFrames: 3, frameStride: 2, start: 'random', flip: false, seed: 1 };
  const shards = [0, 1].map((shard) => {
    const frames: Uint8Array[] = [];
    const videos: ShardVideo[] = [];
    for (let video = shard; video < 7; video += 2) {
      videos.push({
        path: `${video}.mp4`,
        label: video % 3 === 0 ? 'b' : 'a',
        numFrames: 4 + video,
        fps: 24,
        isShort: false,
        ...(video === 5 && { caption: 'five' }),
        offset: frames.length * FRAME_BYTES,
      });
      for (let frame = 0; frame < 4 + video; frame++) {
        const bytes = new Uint8Array(FRAME_BYTES);
        bytes.set([video, frame, 0]);
        bytes.set([video, frame, 1], 6);
        frames.push(bytes);
      }
    }
    const file = `shard-0000${shard}.bin`;
    writeFileSync(join(folder, file), Buffer.concat(frames));
    return { file, bytes: frames.length * FRAME_BYTES, sha256: '', videos, rejected: [] };
  });
  const counts = { seen: 7, ok: 7, short: 0, rejected: 0, skipped: 0 };
  const index: ShardIndex = {
    format: 'eflow-shards-1',
    height: HEIGHT,
    width: WIDTH,
    channels: 3,
    classes: ['a', 'b'],
    shards,
    counts,
  };
  writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The video and the frames that a clip holds. */
function read(pixels: Uint8Array) {
  const at = (frame: number, byte: number) => pixels[frame * FRAME_BYTES + byte]!;
  return { video: at(0, 0), frames: [0, 1, 2].map((frame) => at(frame, 1)), isMirrored: at(0, 2) === 1 };
}

function clipsOf(change: Partial<VideosSpec>, count: number) {
  const clips = openVideos({ ...spec, ...change });
  const read_ = Array.from({ length: count }, (_, i) => {
    const { pixels, label, caption } = clips.clip(i);
    return { ...read(pixels), label, caption };
  });
  clips.close();
  return read_;
}

describe('openVideos', () => {
  it('gives every video that is long enough once in each epoch, in another order', () => {
    const clips = openVideos(spec);
    expect(clips).toMatchObject({ shape: [3, 2, 3, 3], numClasses: 2, length: 6, tooShort: 1, classes: ['a', 'b'] });
    expect([clips.span, clips.classCounts]).toEqual([
      5,
      [
        { videos: 4, tooShort: 0 },
        { videos: 3, tooShort: 1 },
      ],
    ]);
    clips.close();
    const videos = clipsOf({}, 60).map(({ video }) => video);
    const epochs = Array.from({ length: 10 }, (_, epoch) => videos.slice(6 * epoch, 6 * epoch + 6));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(7);
    expect(clipsOf({ seed: 2 }, 60).map(({ video }) => video)).not.toEqual(videos);
  });

  it('takes frames at the stride, from where it is told', () => {
    for (const { video, frames } of clipsOf({ start: 'first' }, 12)) {
      expect(frames, String(video)).toEqual([0, 2, 4]);
    }
    for (const { video, frames } of clipsOf({ start: 'middle' }, 12)) {
      const first = Math.floor((video + 4 - 5) / 2);
      expect(frames).toEqual([first, first + 2, first + 4]);
    }
    const starts = clipsOf({}, 600).filter(({ video }) => video === 6);
    expect(new Set(starts.map(({ frames }) => frames[0]))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    expect(starts.every(({ frames: [a, b, c] }) => b === a! + 2 && c === a! + 4)).toBe(true);
  });

  it('mirrors half of the clips, all frames of one alike', () => {
    expect(clipsOf({}, 200).filter(({ isMirrored }) => isMirrored)).toHaveLength(0);
    const mirrored = clipsOf({ flip: true }, 400).filter(({ isMirrored }) => isMirrored).length;
    expect(Math.abs(mirrored - 200)).toBeLessThan(60);
  });

  it('gives labels their numbers, and captions', () => {
    for (const { video, label, caption } of clipsOf({}, 6)) {
      expect([label, caption]).toEqual([video % 3 === 0 ? 1 : 0, video === 5 ? 'five' : video % 3 === 0 ? 'b' : 'a']);
    }
  });

  it('makes any clip at once, and the same each time', () => {
    const clips = openVideos({ ...spec, flip: true });
    const far = clips.clip(2 ** 52);
    expect(clips.clip(2 ** 52)).toEqual(far);
    expect(clips.clip(7)).toEqual(openVideos({ ...spec, flip: true }).clip(7));
    clips.close();
  });

  it('refuses what it cannot give', () => {
    expect(() => openVideos({ ...spec, frameStride: 9 })).toThrow(
      'no video has 19 frames, which a clip of 3 at a stride of 9 spans; the longest has 10',
    );
    expect(() => openVideos({ ...spec, folder: join(folder, 'no') })).toThrow('make them with eflow-data prepare');
    expect(() => openVideos({ ...spec, seed: -1 })).toThrow('seed');
    expect(() => openVideos(spec).clip(-1)).toThrow('clip index');
  });
});

describe('createBatches', () => {
  it('shares each clip once among ranks, whatever their number', async () => {
    const seen = async (worldSize: number) => {
      const videos: number[][] = [];
      for (let rank = 0; rank < worldSize; rank++) {
        const batches = createBatches(
          { kind: 'videos', ...spec },
          { batchSize: 12 / worldSize, partition: { rank, worldSize } },
        );
        for (let batch = 0; batch < 3; batch++) {
          const { index, pixels } = await batches.next();
          expect(index).toBe(batch);
          const clipBytes = 3 * FRAME_BYTES;
          for (let i = 0; i < 12 / worldSize; i++) {
            const { video, frames } = read(pixels.subarray(i * clipBytes, (i + 1) * clipBytes));
            const position = 12 * batch + (12 / worldSize) * rank + i;
            videos[position] = [video, ...frames];
          }
        }
        await batches.close();
      }
      return videos;
    };
    const alone = await seen(1);
    expect(alone).toHaveLength(36);
    expect(await seen(2)).toEqual(alone);
    expect(await seen(4)).toEqual(alone);
    expect(() =>
      createBatches({ kind: 'videos', ...spec }, { batchSize: 2, partition: { rank: 2, worldSize: 2 } }),
    ).toThrow('rank is 2');
  });

  it('says which file is cut off', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'cut-'));
    const { cpSync } = await import('node:fs');
    cpSync(folder, copy, { recursive: true });
    truncateSync(join(copy, 'shard-00001.bin'), 10);
    const batches = createBatches({ kind: 'videos', ...spec, folder: copy }, { batchSize: 6 });
    await expect(batches.next()).rejects.toThrow('shard-00001.bin ends at byte');
    rmSync(copy, { recursive: true });
  });
});
