import { extname } from 'node:path/posix';

/** Endings of files that are taken for videos; what they are is told by their content. */
export const VIDEO_ENDINGS = ['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi'];

/** Endings of videos whose containers are not read: they are rejected, so that nobody misses them unawares. */
const UNREAD_ENDINGS = [
  ...['.mpg', '.mpeg', '.mpe', '.m1v', '.m2v', '.vob', '.ts', '.mts', '.m2ts', '.mxf', '.flv', '.f4v', '.wmv', '.asf'],
  ...['.3gp', '.3g2', '.ogv', '.ogm', '.qt', '.rm', '.rmvb', '.divx', '.dv', '.mjpg', '.mjpeg', '.y4m', '.gif'],
  ...['.264', '.h264', '.265', '.h265', '.hevc', '.ivf'],
];

/** What a file is by its name; `skipped`: macOS wrote it beside a video or a tar, of which it has the name alone. */
export type NameKind = 'video' | 'unread' | 'tar' | 'skipped' | 'other';

/** What a file is by its path, which has forward slashes. */
export function kindOfName(path: string): NameKind {
  const ending = extname(path).toLowerCase();
  const kind = VIDEO_ENDINGS.includes(ending)
    ? 'video'
    : UNREAD_ENDINGS.includes(ending)
      ? 'unread'
      : ending === '.tar'
        ? 'tar'
        : 'other';
  return kind !== 'other' && isAppleDouble(path) ? 'skipped' : kind;
}

/** Whether macOS wrote a file to keep what other disks cannot: `._clip.mp4` beside `clip.mp4`, or a folder `__MACOSX`. */
export const isAppleDouble = (path: string): boolean => /(^|\/)(\._|__MACOSX\/)/.test(path);

/** Why a video of another kind is not read, and the way out. */
export const unreadProblem = (name: string): string =>
  `${name} is of a kind that is not read (${VIDEO_ENDINGS.join(', ')} are): convert it, such as with ffmpeg, or move it away`;
