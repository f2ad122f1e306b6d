import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classAccuracy, frameConsistency } from './class-metrics.ts';

const NUM_CLASSES = 5;

/** Rows whose largest logit is at the given class, with random, smaller ones elsewhere. */
const logitsOf = (classes: number[], noise: number[]): Float32Array =>
  Float32Array.from(
    classes.flatMap((found, row) =>
      Array.from({ length: NUM_CLASSES }, (_, k) => (k === found ? 1 : -noise[(row + k) % noise.length]!)),
    ),
  );

const anyClass = fc.nat({ max: NUM_CLASSES - 1 });
const anyNoise = fc.array(fc.float({ min: 0, max: 10, noNaN: true }), { minLength: 1, maxLength: 7 });

describe('classAccuracy', () => {
  it('is the share of rows whose largest logit is at the label', () => {
    // Largest at 2, 0, 1; the labels agree in the first and the last.
    const logits = Float32Array.of(-1, 0, 3, -2, -5, -3, 0, 7, 6);
    expect(classAccuracy(logits, 3, [2, 1, 1])).toBe(2 / 3);
  });

  it('counts exactly the labels that were not moved, whatever the other logits are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyClass, fc.boolean()), { minLength: 1, maxLength: 20 }),
        anyNoise,
        (rows, noise) => {
          const labels = rows.map(([found, moved]) => (found + Number(moved)) % NUM_CLASSES);
          const kept = rows.filter(([, moved]) => !moved).length;
          const logits = logitsOf(
            rows.map(([found]) => found),
            noise,
          );
          expect(classAccuracy(logits, NUM_CLASSES, Int32Array.from(labels))).toBe(kept / rows.length);
        },
      ),
    );
  });

  it('takes the first of equal logits', () => {
    expect(classAccuracy(Float32Array.of(1, 1, 1, 0, 2, 2), 3, [0, 1])).toBe(1);
  });

  it('refuses rows, labels and values that mean nothing', () => {
    expect(() => classAccuracy(new Float32Array(7), 3, [0, 0])).toThrow(
      '7 logits; expected one or more whole rows of 3',
    );
    expect(() => classAccuracy(new Float32Array(0), 3, [])).toThrow('0 logits');
    expect(() => classAccuracy(new Float32Array(6), 0, [0])).toThrow('rows of 0 classes');
    expect(() => classAccuracy(new Float32Array(6), 3, [0])).toThrow('2 rows of logits against 1 labels');
    expect(() => classAccuracy(new Float32Array(6), 3, [0, 3])).toThrow('label 3; expected an integer from 0 to 2');
    expect(() => classAccuracy(new Float32Array(6), 3, [0, -1])).toThrow('label -1');
    expect(() => classAccuracy(Float32Array.of(0, 1, 2, Number.NaN), 2, [1, 0])).toThrow('row 1 holds NaN');
  });
});

describe('frameConsistency', () => {
  it('is the share of clips all of whose frames have one class', () => {
    // Four clips of three frames: one class; the last frame differs; one class; each frame differs.
    const classes = [4, 4, 4, 2, 2, 3, 0, 0, 0, 1, 2, 3];
    expect(frameConsistency(logitsOf(classes, [2]), 3, NUM_CLASSES)).toBe(0.5);
  });

  it('is 1 for single frames, and depends neither on the order of frames nor on which class they share', () => {
    const anyClips = fc.integer({ min: 1, max: 4 }).chain((numFrames) =>
      fc.array(fc.array(fc.nat({ max: 1 }), { minLength: numFrames, maxLength: numFrames }), {
        minLength: 1,
        maxLength: 6,
      }),
    );
    fc.assert(
      fc.property(anyClips, anyNoise, fc.nat({ max: 3 }), (clips, noise, shift) => {
        const numFrames = clips[0]!.length;
        const consistency = (of: number[][], frames = numFrames) =>
          frameConsistency(logitsOf(of.flat(), noise), frames, NUM_CLASSES);
        const expected = clips.filter((clip) => new Set(clip).size === 1).length / clips.length;
        expect(consistency(clips)).toBeCloseTo(expected, 12);
        expect(consistency(clips.map((clip) => [...clip].reverse()))).toBe(consistency(clips));
        expect(consistency(clips.map((clip) => clip.map((found) => found + shift)))).toBe(consistency(clips));
        expect(consistency(clips, 1)).toBe(1);
      }),
    );
  });

  it('refuses rows that are no whole clips', () => {
    expect(() => frameConsistency(new Float32Array(10), 3, 2)).toThrow(
      '5 rows of logits are no whole number of clips of 3',
    );
    expect(() => frameConsistency(new Float32Array(10), 0, 2)).toThrow('clips of 0 frames');
    expect(() => frameConsistency(new Float32Array(9), 3, 2)).toThrow('9 logits');
    expect(() => frameConsistency(Float32Array.of(0, Number.POSITIVE_INFINITY), 1, 2)).toThrow('row 0 holds Infinity');
  });
});
