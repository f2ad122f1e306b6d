import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { makeBatch } from './batch.ts';
import { clipSize } from './clip-size.ts';
import type { DatasetKind } from './dataset-kind.ts';
import { DATASETS, datasetKind, datasetSchema, openDataset, schemasOf } from './datasets.ts';
import { createDraws } from './hash.ts';

// docs/adding-kinds.md shows what stands between the two lines of dashes.
// ---
const movingBarsSchema = z.strictObject({
  kind: z.literal('movingBars'),
  ...clipSize,
  speed: z.number().positive().default(1).describe('pixels per frame'),
});
type MovingBarsSection = z.infer<typeof movingBarsSchema>;

/** A bright column that runs through a dark frame, to the left or to the right. */
const movingBars = {
  kind: 'movingBars',
  schema: movingBarsSchema,
  splits: () => ['train'],
  measuredBy: 'i3d',
  describe: () => ({ channels: 1, numClasses: 2, classNames: ['left', 'right'], frameStride: 1 }),
  open: ({ numFrames, height, width, speed, seed }) => ({
    shape: [numFrames, height, width, 1],
    numClasses: 2,
    clip(index) {
      const draw = createDraws(seed, index);
      const [label, start] = [Math.floor(2 * draw()), draw() * width];
      const pixels = new Uint8Array(numFrames * height * width);
      for (let frame = 0; frame < numFrames; frame++) {
        const place = Math.floor(start + (label === 1 ? frame : -frame) * speed);
        const column = ((place % width) + width) % width;
        for (let row = 0; row < height; row++) pixels[(frame * height + row) * width + column] = 255;
      }
      return { pixels, label, caption: `a bar that runs to the ${label === 1 ? 'right' : 'left'}` };
    },
  }),
} satisfies DatasetKind<MovingBarsSection, MovingBarsSection & { seed: number }>;
// ---

const bars = { kind: 'movingBars', numFrames: 3, height: 2, width: 5 } as const;
const digits = {
  kind: 'movingDigits',
  numFrames: 3,
  height: 16,
  width: 18,
  digitSize: 12,
  numDigits: 2,
  minSpeed: 0,
  maxSpeed: 1,
} as const;

describe('a new data set', () => {
  const data = z.discriminatedUnion('kind', schemasOf([...DATASETS, movingBars]));
  const config = z.strictObject({ data });

  it('is a section of a config, beside the others', () => {
    expect(config.parse({ data: bars }).data).toEqual({ ...bars, speed: 1 });
    expect(config.parse({ data: digits }).data).toEqual(digits);
    const wrong = config.safeParse({ data: { ...bars, digitSize: 3 } });
    expect(wrong.error!.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['digitSize'], path: ['data'] }]);
  });

  it('makes batches of what its config describes, the same for the same seed', () => {
    const section = movingBarsSchema.parse(bars);
    const dataset = movingBars.open({ ...section, seed: 7 });
    const batch = makeBatch(dataset, 8, 3);
    expect(batch).toEqual(makeBatch(movingBars.open({ ...section, seed: 7 }), 8, 3));
    expect(batch.pixels).not.toEqual(makeBatch(movingBars.open({ ...section, seed: 8 }), 8, 3).pixels);
    expect(batch.shape).toEqual([8, 3, 2, 5, movingBars.describe().channels]);
    expect(new Set(batch.labels)).toEqual(new Set([0, 1]));
    const { classNames } = movingBars.describe();
    expect([...batch.labels].map((label) => `a bar that runs to the ${classNames[label]}`)).toEqual(batch.captions);
  });

  it('is shown in the guide as it is tested', () => {
    const [, shown] = readFileSync(new URL(import.meta.url), 'utf8').split('// ---\n');
    expect(readFileSync(new URL('../../../docs/adding-kinds.md', import.meta.url), 'utf8')).toContain(shown);
  });
});

describe('datasetKind', () => {
  it('gives records that describe what they open', () => {
    const section = datasetSchema.parse(digits);
    const { channels, numClasses, classNames } = datasetKind(section).describe(section);
    const dataset = openDataset({ ...digits, split: 'held-out', seed: 1 });
    expect(dataset.shape).toEqual([3, 16, 18, channels]);
    expect([dataset.numClasses, classNames!.length, classNames![7]]).toEqual([numClasses, 100, '07']);
    const { label, caption } = dataset.clip(5);
    expect(caption.match(/\d/g)!.join('')).toBe(classNames![label]);
  });

  it('names the kinds where there is none', () => {
    expect(() => datasetKind({ kind: 'movingBars' })).toThrow(
      "no data set of the kind 'movingBars'; kinds: movingDigits, captionedDigits, movingEmoji, videos",
    );
  });
});
