import { philoxNormal } from '@eflow/tensor';
import { describe, expect, it } from 'vitest';
import { takeVideos } from './feature-cache.ts';
import type { Seen } from './look.ts';
import { measure } from './measure.ts';
import { createTally, drawOf, formatRejections, formatTally } from './tally.ts';

const RECORD = { extractor: 'test', weightsSha256: '0', feature: 'f', numFrames: 16, frameStride: 1 };

/** Rows of two classes far apart, sorted by class. */
function sorted(count: number, seed: number): Seen {
  const features = philoxNormal([seed, 0], 2 * count).map((x, i) => x + (i < count ? 0 : 100));
  return { features: { features, numFeatures: 2 }, tally: createTally({ seen: count, measured: count, seed: 0 }) };
}

const figures = (real: Seen, generated: Seen, more = {}) =>
  measure(real, generated, { record: RECORD, covarianceRule: 'N', split: 'train' }, more);

describe('measure', () => {
  it('takes the floor from random halves of real videos, so that classes may be sorted', () => {
    const [real, generated] = [sorted(400, 1), takeVideos(sorted(400, 2), 40, 3)];
    const { floor, frechetDistance } = figures(real, generated);
    expect(floor!.videos).toBe(40);
    // 40 of each that are of one class alone lie nowhere near; two random halves differ by chance.
    const firstOnly = { ...real, features: { ...real.features, features: real.features.features.subarray(0, 80) } };
    expect(figures(real, firstOnly).frechetDistance).toBeGreaterThan(4000);
    expect(floor!.frechetDistance).toBeLessThan(1000);
    expect(frechetDistance).toBeLessThan(1000);
  });

  it('tells how far it is, to the last step', () => {
    const seen: [number, number][] = [];
    figures(sorted(120, 1), sorted(120, 2), {
      bootstrap: 20,
      onProgress: (done: number, total: number) => seen.push([done, total]),
    });
    // Distance, kernel distance, floor, nearest of two kinds, coverage; 15 of the extrapolation; 20 draws.
    expect(seen).toEqual(Array.from({ length: 41 }, (_, i) => [i, 41]));
  });
});

describe('takeVideos', () => {
  it('draws from features that may be sorted, and takes the first of those in drawn order', () => {
    const seen = sorted(100, 1);
    const drawn = takeVideos(seen, 20, 7);
    const ofSecond = drawn.features.features.filter((x) => x > 50).length / 2;
    expect(ofSecond).toBeGreaterThan(3);
    expect(ofSecond).toBeLessThan(17);
    expect(drawn.tally).toMatchObject({ seen: 100, measured: 20, notDrawn: 80, seed: 7 });
    expect(drawOf(drawn.tally)).toEqual({ of: 100, seed: 7 });

    const tally = createTally({ seen: 150, measured: 100, start: 'first', seed: 3 });
    const first = takeVideos({ ...seen, tally }, 20, 7);
    expect([...first.features.features]).toEqual([...seen.features.features.subarray(0, 40)]);
    expect(drawOf(first.tally)).toEqual({ of: 150, start: 'first', seed: 3 });
    expect(takeVideos(seen, 100, 7)).toBe(seen);
  });
});

describe('a tally', () => {
  const rejections = Array.from({ length: 12 }, (_, i) => ({
    path: `${i}.mp4`,
    code: i < 9 ? ('too-short' as const) : ('missing' as const),
    problem: 'why',
  }));

  it('accounts for every video in one line', () => {
    const tally = createTally({ seen: 20, measured: 5, start: 'first', seed: 0 }, rejections);
    expect(formatTally('real', tally)).toBe(
      'real: 20 videos seen = 5 measured + 3 not drawn + 12 rejected (too-short 9, missing 3) + 0 skipped',
    );
    expect(drawOf(tally)).toEqual({ of: 20, start: 'first', seed: 0 });
  });

  it('lists ten rejected videos, and says how many more there are', () => {
    const lines = formatRejections('real', createTally({ seen: 12, measured: 0, seed: 0 }, rejections));
    expect(lines).toHaveLength(11);
    expect(lines[0]).toBe('real: rejected 0.mp4 (too-short): why');
    expect(lines[10]).toBe('real: rejected 2 more; compare --json lists them all');
  });

  it('says no seed where nothing was left to chance', () => {
    const whole = createTally({ seen: 17, measured: 5, start: 'first', seed: 4 }, rejections);
    expect(drawOf(whole)).toEqual({ of: 17, start: 'first' });
    expect(drawOf({ ...whole, start: 'random' })).toEqual({ of: 17, start: 'random', seed: 4 });
  });
});
