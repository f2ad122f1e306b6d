import { createHash } from 'node:crypto';
import type { DataRecord } from '../dataset-kind.ts';
import { middleFps, readIndex } from './shards.ts';
import { openVideos } from './video-clips.ts';
import type { VideosSection } from './videos-spec.ts';

/** What a config's videos are. Throws as `openVideos` does, and if more than `data.maxTooShort` of them are too short for a clip. */
export function recordVideos(data: VideosSection & { seed: number }): DataRecord {
  const { height, width, channels, classes, shards } = readIndex(data.folder);
  const videosOf = ({ videos }: (typeof shards)[number]) =>
    videos.map(({ label, offset, numFrames }) => [label ?? null, offset, numFrames]);
  const content = [height, width, channels, classes, shards.map((shard) => [shard.sha256, videosOf(shard)])];
  const clips = openVideos(data);
  clips.close();
  const record = {
    folder: data.folder,
    classes,
    digest: createHash('sha256').update(JSON.stringify(content)).digest('hex'),
    videos: clips.length + clips.tooShort,
    tooShort: clips.tooShort,
    span: clips.span,
    fps: middleFps(shards),
    emptyClasses: classes.filter((_, i) => clips.classCounts[i]!.tooShort === clips.classCounts[i]!.videos),
  };
  if (record.tooShort > data.maxTooShort * record.videos) {
    throw new Error(
      `${data.folder}: ${describeTooShort(record)} That is more than ${100 * data.maxTooShort} %: ` +
        'choose a smaller data.numFrames or data.frameStride, or allow more with data.maxTooShort',
    );
  }
  return record;
}

/** Sentences on the videos that are left out; undefined if there are none. */
export function describeTooShort({ videos, tooShort, span, emptyClasses }: DataRecord): string | undefined {
  if (tooShort === 0) return undefined;
  const left = `${tooShort} of ${videos} videos have fewer than the ${span} frames that a clip spans, and are left out.`;
  return emptyClasses.length === 0
    ? left
    : `${left} Nothing is left of ${emptyClasses.map((name) => `'${name}'`).join(', ')}.`;
}
