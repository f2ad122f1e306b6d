import { createHash } from 'node:crypto';
import type { DataRecord } from '../dataset-kind.ts';
import { heldOutVideos } from './held-out.ts';
import { middleFps, readIndex } from './shards.ts';
import { openVideos } from './video-clips.ts';
import type { VideosSection } from './videos-spec.ts';

/**
 * What a config's videos are. Throws as `openVideos` does, of either part, and if more than `data.maxTooShort` of them are too short for a
 * clip.
 */
export function recordVideos(data: VideosSection & { seed: number }): DataRecord {
  const { folder, heldOut } = data;
  const { height, width, channels, classes, shards } = readIndex(folder);
  const videosOf = ({ videos }: (typeof shards)[number]) =>
    videos.map(({ label, offset, numFrames }) => [label ?? null, offset, numFrames]);
  const content = [height, width, channels, classes, shards.map((shard) => [shard.sha256, videosOf(shard)])];
  const train = openVideos({ ...data, split: 'train' });
  train.close();
  const record: DataRecord = {
    folder,
    classes,
    digest: digestOf(content),
    videos: train.length + train.tooShort,
    tooShort: train.tooShort,
    span: train.span,
    fps: middleFps(shards),
    emptyClasses: classes.filter((_, i) => train.classCounts[i]!.tooShort === train.classCounts[i]!.videos),
  };
  if (heldOut !== undefined) {
    const held = openVideos({ ...data, split: 'held-out' });
    held.close();
    const isHeldOut = heldOutVideos(folder, heldOut);
    const parts = shards.flatMap(({ videos }) => videos.map(({ path }) => isHeldOut(path)));
    record.heldOut = { videos: held.length, digest: digestOf(parts) };
    record.videos += held.length + held.tooShort;
    record.tooShort += held.tooShort;
  }
  if (record.tooShort > data.maxTooShort * record.videos) {
    throw new Error(
      `${folder}: ${describeLeftOut({ ...record, heldOut: undefined })} That is more than ${100 * data.maxTooShort} %: ` +
        'choose a smaller data.numFrames or data.frameStride, or allow more with data.maxTooShort',
    );
  }
  return record;
}

const digestOf = (content: unknown): string => createHash('sha256').update(JSON.stringify(content)).digest('hex');

/** Sentences on the videos that are not trained on; undefined if there are none. */
export function describeLeftOut({ videos, tooShort, span, heldOut, emptyClasses }: DataRecord): string | undefined {
  const sentences: string[] = [];
  if (tooShort > 0) {
    sentences.push(
      `${tooShort} of ${videos} videos have fewer than the ${span} frames that a clip spans, and are left out.`,
    );
  }
  if (heldOut) sentences.push(`${heldOut.videos} of ${videos} videos are held out.`);
  if (sentences.length > 0 && emptyClasses.length > 0) {
    sentences.push(`Nothing is left of ${emptyClasses.map((name) => `'${name}'`).join(', ')}.`);
  }
  return sentences.join(' ') || undefined;
}
