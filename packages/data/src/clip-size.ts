import * as z from 'zod';

const count = z.int().min(1);

/** The keys that say how large clips are, for the schema of every kind. */
export const clipSize = {
  numFrames: count.describe('frames per clip'),
  height: count.describe('pixels'),
  width: count.describe('pixels'),
};
