import * as z from 'zod';

const count = z.int().min(1);

/** The keys that say how large clips are, for the schema of every kind. */
export const clipSize = {
  numFrames: count.describe('frames of a clip'),
  height: count.describe('pixels'),
  width: count.describe('pixels'),
};
