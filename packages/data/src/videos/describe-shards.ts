import { type Counts, type ShardIndex, type ShardVideo, UNLABELLED } from './shards.ts';

/** What became of the videos: "6 videos seen = 4 ok + 1 short + 1 rejected + 0 skipped". */
export const describeCounts = ({ seen, ok, short, rejected, skipped }: Counts): string =>
  `${countVideos(seen)} seen = ${ok} ok + ${short} short + ${rejected} rejected + ${skipped} skipped`;

/** A line for each class: its number and name, its videos, and the frames that these have. */
export function describeClasses(index: ShardIndex): string[] {
  return [...videosByClass(index)].map(([label, videos], number) => {
    const what = videos.length === 0 ? 'no usable video' : `${countVideos(videos.length)} of ${describeFrames(videos)}`;
    return `  class ${number}: ${label}, ${what}`;
  });
}

/** The least and the most frames of some videos: "12 to 300 frames". */
export function describeFrames(videos: readonly ShardVideo[]): string {
  const least = videos.reduce((frames, { numFrames }) => Math.min(frames, numFrames), Number.POSITIVE_INFINITY);
  const most = longest(videos);
  return least === most ? `${most} frame${most === 1 ? '' : 's'}` : `${least} to ${most} frames`;
}

/** How many videos have fewer than `needed` frames, and which classes have no other; empty if none is too short. */
export function describeShortVideos(index: ShardIndex, needed: number): string {
  const videos = allVideos(index);
  const tooShort = videos.filter(({ numFrames }) => numFrames < needed).length;
  if (tooShort === 0) return '';
  const classes = nameClasses(index, (ofClass) => ofClass.length > 0 && longest(ofClass) < needed);
  return `${tooShort} of ${countVideos(videos.length)}${classes && `, among them all of ${classes}`}`;
}

/** The classes without a usable video; empty if there is none. */
export const describeEmptyClasses = (index: ShardIndex): string => nameClasses(index, ({ length }) => length === 0);

/** Some of the classes: "class 1 (dog), class 4 (emu)". */
const nameClasses = (index: ShardIndex, isMeant: (videos: readonly ShardVideo[]) => boolean): string =>
  [...videosByClass(index)]
    .flatMap(([label, videos], number) => (isMeant(videos) ? [`class ${number} (${label})`] : []))
    .join(', ');

export const allVideos = ({ shards }: ShardIndex): ShardVideo[] => shards.flatMap(({ videos }) => videos);

/** The frames of the longest video; 0 if there is none. */
export const longest = (videos: readonly ShardVideo[]): number =>
  videos.reduce((frames, { numFrames }) => Math.max(frames, numFrames), 0);

const countVideos = (count: number) => `${count} video${count === 1 ? '' : 's'}`;

/** The videos of each class, in the order of the classes. */
function videosByClass(index: ShardIndex): Map<string, ShardVideo[]> {
  const videos = new Map(index.classes.map((label): [string, ShardVideo[]] => [label, []]));
  for (const video of allVideos(index)) videos.get(video.label ?? UNLABELLED)?.push(video);
  return videos;
}
