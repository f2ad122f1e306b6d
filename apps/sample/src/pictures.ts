import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  checkPicture,
  type PictureFormat,
  writeGridGif,
  writeGridMp4,
  writeGridPng,
  writeGridWebp,
} from '@eflow/media';
import type { Clips } from '@eflow/tensor';
import type { ClipSize } from '@eflow/video-dit';

/** Clips in a picture, at most: more are no longer looked at one by one. */
const MOST_SHOWN = 20;
/** Pixels of a clip's longer side in a picture, about. */
const CELL_SIDE = 96;
/** Most frames per second of a GIF. */
export const GIF_FPS = 50;

const FORMATS = ['png', 'webp', 'gif', 'mp4'] as const satisfies readonly PictureFormat[];
const MOVIES = { webp: writeGridWebp, gif: writeGridGif, mp4: writeGridMp4 };

/** What is shown of clips, and how. */
export interface PicturePlan {
  formats: PictureFormat[];
  /** The first so many clips. */
  shown: number;
  /** File pixels per clip pixel. */
  scale: number;
  fps: number;
  /** Of the clips that are shown, where they are written below them. */
  captions?: readonly string[];
}

interface PictureOptions {
  scale?: number;
  fps: number;
  /** Of all clips, where they are to be written below them. */
  captions?: readonly string[];
  canWriteMp4: boolean;
}

/**
 * How the first of `count` clips are shown, so that every format can hold them. A GIF is left out above 50 frames per second.
 * Throws if not even one clip can be shown.
 */
export function planPictures(
  count: number,
  { numFrames, height, width }: ClipSize,
  { scale: asked, fps, captions, canWriteMp4 }: PictureOptions,
): PicturePlan {
  const scale = asked ?? Math.max(1, Math.floor(CELL_SIDE / Math.max(height, width)));
  const isLeftOut = { png: false, webp: false, gif: fps > GIF_FPS, mp4: !canWriteMp4 };
  const formats = FORMATS.filter((format) => !isLeftOut[format]);
  for (let shown = Math.min(count, MOST_SHOWN); ; shown--) {
    try {
      for (const format of formats) {
        const options = format === 'png' ? ({ frames: 'strip', scale } as const) : { scale, fps };
        checkPicture(format, [shown, numFrames, height, width, 3], { ...options, captions });
      }
      return { formats, shown, scale, fps, captions: captions?.slice(0, shown) };
    } catch (error) {
      if (shown === 1) throw error;
    }
  }
}

/** Writes pictures and a record of how they were made into a folder: all of them, or none. */
export interface PictureWriter {
  /** Returns the pictures' files. Those of an earlier call whose format is left out are removed. */
  write(clips: Clips, record: object): Promise<string[]>;
  /** Removes what was not finished. */
  close(): void;
}

/** Every file that may stand in a folder of pictures. */
export const pictureFiles = (folder: string): string[] =>
  [...FORMATS, 'json'].map((format) => join(folder, `samples.${format}`));

/** Opens a folder for pictures, before there are clips. Throws if it cannot be written. */
export function openPictures(folder: string, { formats, scale, fps, captions }: PicturePlan): PictureWriter {
  const temporary = openTemporary(folder);
  return {
    async write(clips, record) {
      const fileOf = (format: string) => join(temporary, `samples.${format}`);
      // At the same time: the encoders have threads of their own.
      const written = formats.map(async (format) => {
        if (format === 'png') await writeGridPng(fileOf(format), clips, { frames: 'strip', scale, captions });
        else await MOVIES[format](fileOf(format), clips, { scale, fps, captions });
      });
      await Promise.all(written);
      writeFileSync(fileOf('json'), `${JSON.stringify(record, null, 2)}\n`);
      const names = readdirSync(temporary);
      for (const file of pictureFiles(folder)) {
        if (names.includes(basename(file))) renameSync(join(temporary, basename(file)), file);
        else rmSync(file, { force: true });
      }
      return formats.map((format) => join(folder, `samples.${format}`));
    },
    close: () => rmSync(temporary, { recursive: true, force: true }),
  };
}

function openTemporary(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true });
    return mkdtempSync(join(folder, '.samples-'));
  } catch (error) {
    throw new Error(`${folder} cannot be written (${(error as Error).message}): choose another folder with --out`);
  }
}
