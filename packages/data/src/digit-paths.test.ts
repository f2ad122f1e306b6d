import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawPaths, reflect } from './digit-paths.ts';
import type { MovingDigitsSpec } from './moving-digits-spec.ts';

const spec: MovingDigitsSpec = {
  numFrames: 8,
  height: 32,
  width: 48,
  digitSize: 20,
  numDigits: 2,
  minSpeed: 1,
  maxSpeed: 3,
  split: 'train',
  seed: 11,
};

describe('reflect', () => {
  it('follows a ball that is moved step by step and turned at each wall', () => {
    const steps = fc.record({
      room: fc.double({ min: 0.5, max: 50, noNaN: true }),
      start: fc.double({ min: 0, max: 1, noNaN: true }),
      speed: fc.double({ min: -1, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(steps, ({ room, start, speed }) => {
        let position = start * room;
        let velocity = speed * room;
        for (let frame = 0; frame < 12; frame++) {
          expect(reflect(start * room + frame * speed * room, room)).toBeCloseTo(position, 8);
          position += velocity;
          if (position < 0 || position > room) {
            position = position < 0 ? -position : 2 * room - position;
            velocity = -velocity;
          }
        }
      }),
    );
  });

  it('stays in the room wherever the point has run', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.integer({ min: 0, max: 99 }),
        (position, room) => {
          const reflected = reflect(position, room);
          expect(reflected >= 0 && reflected <= room).toBe(true);
        },
      ),
    );
  });
});

describe('drawPaths', () => {
  const paths = Array.from({ length: 2000 }, (_, index) => drawPaths(spec, index)).flat();

  it('starts inside, at a speed between the two', () => {
    for (const { x, y, velocityX, velocityY } of paths) {
      expect(x >= 0 && x <= 28 && y >= 0 && y <= 12).toBe(true);
      const speed = Math.hypot(velocityX, velocityY);
      expect(speed > 1 - 1e-9 && speed < 3 + 1e-9).toBe(true);
    }
  });

  it('says where the digit heads: within 22.5 degrees of the words, y pointing down', () => {
    const step = { right: [1, 0], left: [-1, 0], down: [0, 1], up: [0, -1] } as Record<string, [number, number]>;
    for (const { velocityX, velocityY, heading } of paths) {
      const parts = heading
        .replace('moving ', '')
        .split(' and ')
        .map((word) => step[word]!);
      const x = parts.reduce((sum, part) => sum + part[0], 0);
      const y = parts.reduce((sum, part) => sum + part[1], 0);
      const cosine = (x * velocityX + y * velocityY) / Math.hypot(x, y) / Math.hypot(velocityX, velocityY);
      expect(cosine).toBeGreaterThan(Math.cos(Math.PI / 8) - 1e-9);
    }
    expect(new Set(paths.map((path) => path.heading)).size).toBe(8);
    expect(drawPaths({ ...spec, minSpeed: 0, maxSpeed: 0 }, 0)[0]!.heading).toBe('standing still');
  });

  it('draws samples from the whole split and from nothing else', () => {
    const samples = { train: paths.map((path) => path.sample), 'held-out': [] as number[] };
    samples['held-out'] = Array.from(
      { length: 2000 },
      (_, i) => drawPaths({ ...spec, split: 'held-out' }, i)[0]!.sample,
    );
    for (const [split, count] of [
      ['train', 60_000],
      ['held-out', 10_000],
    ] as const) {
      expect(Math.min(...samples[split])).toBeLessThan(count / 100);
      expect(Math.max(...samples[split])).toBeGreaterThan(count * 0.99);
      expect(samples[split].every((sample) => Number.isInteger(sample) && sample >= 0 && sample < count)).toBe(true);
    }
  });
});
