import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const FOLDER = join(dirname(createRequire(import.meta.url).resolve('vide/package.json')), 'test/video');

/** A film of waves, 1280x720, 240 frames at 24 a second, in both containers, and a picture of it. */
export const FILMS = {
  mp4: join(FOLDER, 'ocean.mp4'),
  webm: join(FOLDER, 'ocean.webm'),
  picture: join(FOLDER, 'ocean.jpg'),
};
