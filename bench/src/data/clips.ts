import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { registerMediabunnyServer } from '@mediabunny/server';
import { ALL_FORMATS, BufferTarget, Conversion, FilePathSource, Input, Mp4OutputFormat, Output } from 'mediabunny';

const FILM = join(dirname(createRequire(import.meta.url).resolve('vide/package.json')), 'test/video/ocean.mp4');
const FILM_SECONDS = 10;

/** Writes `count` clips of H.264, `side` pixels to a side, cut from a film of waves at 24 frames per second. */
export async function writeClips(folder: string, count: number, side: number, seconds: number): Promise<void> {
  registerMediabunnyServer();
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const start = ((FILM_SECONDS - seconds) * i) / Math.max(1, count - 1);
    const target = new BufferTarget();
    const conversion = await Conversion.init({
      input: new Input({ source: new FilePathSource(FILM), formats: ALL_FORMATS }),
      output: new Output({ format: new Mp4OutputFormat(), target }),
      video: {
        width: side,
        height: side,
        fit: 'cover',
        codec: 'avc',
        forceTranscode: true,
        bitrate: 1_000_000,
        hardwareAcceleration: 'prefer-software',
      },
      audio: { discard: true },
      trim: { start, end: start + seconds },
    });
    await conversion.execute();
    writeFileSync(join(folder, `${String(i).padStart(3, '0')}.mp4`), new Uint8Array(target.buffer!));
  }
}
