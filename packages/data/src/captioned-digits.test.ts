import { describe, expect, it } from 'vitest';
import { captionedDigits } from './captioned-digits.ts';
import type { Clip } from './clip-dataset.ts';
import { MNIST_SIDE, readMnist } from './mnist.ts';
import { antialiasWeights, resizeSquare } from './resize.ts';

const section = captionedDigits.schema.parse({
  kind: 'captionedDigits',
  numFrames: 4,
  height: 16,
  width: 20,
  digitSize: 12,
  minSpeed: 0.5,
  maxSpeed: 1.3,
});
const spec = { ...section, split: 'train', seed: 3 } as const;
const task = captionedDigits.captions();
const take = (dataset: { clip(index: number): Clip }, count: number) =>
  Array.from({ length: count }, (_, index) => dataset.clip(index));

/** Of each frame its ink by channel, and its centre of gravity. */
function look({ pixels }: Clip) {
  const { numFrames, height, width } = section;
  return Array.from({ length: numFrames }, (_, frame) => {
    const ink = [0, 0, 0];
    let [x, y, total] = [0, 0, 0];
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = pixels[(frame * height * width + pixel) * 3 + channel]!;
        ink[channel]! += value;
        total += value;
        x += value * (pixel % width);
        y += value * Math.floor(pixel / width);
      }
    }
    return { ink, x: x / total, y: y / total };
  });
}

describe('captioned digits', () => {
  const dataset = captionedDigits.open(spec);
  const clips = take(dataset, 300);

  it('makes clip i of the seed and of i alone', () => {
    const again = captionedDigits.open({ ...spec });
    for (const index of [7, 0, 3]) expect(again.clip(index)).toEqual(clips[index]);
    expect(captionedDigits.open({ ...spec, seed: 4 }).clip(0)).not.toEqual(clips[0]);
    expect(dataset.shape).toEqual([4, 16, 20, captionedDigits.describe().channels]);
  });

  it('shows the colour and the direction that it says, and no wall is reached', () => {
    const steps = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] } as Record<string, [number, number]>;
    const byColour = new Map<number, number[]>();
    for (const clip of clips) {
      const { colour, direction } = task.valuesOf(clip.label);
      const frames = look(clip);
      const [first, last] = [frames[0]!, frames.at(-1)!];
      const [right, down] = steps[task.factors.direction[direction]!]!;
      expect(Math.sign(Math.round(last.x - first.x)) === right).toBe(true);
      expect(Math.sign(Math.round(last.y - first.y)) === down).toBe(true);
      expect(Math.abs(last.x - first.x) + Math.abs(last.y - first.y)).toBeGreaterThan(3 * section.minSpeed - 0.1);
      // All ink stays, so that nothing has left the picture.
      for (const { ink } of frames) expect(ink[0]! / first.ink[0]!).toBeCloseTo(1, 1);
      const [red, green, blue] = first.ink.map((sum) => sum / Math.max(...first.ink));
      const known = byColour.get(colour) ?? [red!, green!, blue!];
      byColour.set(colour, known);
      for (const [i, share] of [red!, green!, blue!].entries()) expect(share).toBeCloseTo(known[i]!, 1);
    }
    const ratios = [...byColour.values()].map((ratio) => ratio.map((share) => share.toFixed(1)).join());
    expect(new Set(ratios).size).toBe(task.factors.colour.length);
    expect(byColour.get(task.factors.colour.indexOf('white'))!.map((share) => share.toFixed(1))).toEqual([
      '1.0',
      '1.0',
      '1.0',
    ]);
    const [red, , blue] = byColour.get(task.factors.colour.indexOf('red'))!;
    expect(red! - blue!).toBeGreaterThan(0.8);
  });

  it('shows the digit that it says', () => {
    // The class whose mean picture is the most alike, at the place that fits best, is the right one far more often than by chance.
    const weights = antialiasWeights(MNIST_SIDE, section.digitSize);
    const { images, labels } = readMnist('train');
    const means = Array.from({ length: 10 }, () => new Float32Array(section.digitSize ** 2));
    for (let i = 0; i < 1000; i++) {
      const start = i * MNIST_SIDE ** 2;
      const picture = resizeSquare(images.subarray(start, start + MNIST_SIDE ** 2), weights);
      picture.forEach((value, at) => {
        means[labels[i]!]![at]! += value;
      });
    }
    const normed = means.map((mean) => {
      const length = Math.hypot(...mean);
      return mean.map((value) => value / length);
    });
    const likeness = ({ pixels }: Clip, mean: Float32Array) => {
      let best = 0;
      for (let y = 0; y <= section.height - section.digitSize; y++)
        for (let x = 0; x <= section.width - section.digitSize; x++) {
          let sum = 0;
          mean.forEach((value, at) => {
            const [row, column] = [y + Math.floor(at / section.digitSize), x + (at % section.digitSize)];
            const pixel = 3 * (row * section.width + column);
            sum += value * Math.max(pixels[pixel]!, pixels[pixel + 1]!, pixels[pixel + 2]!);
          });
          best = Math.max(best, sum);
        }
      return best;
    };
    const right = clips.filter((clip) => {
      const scores = normed.map((mean) => likeness(clip, mean));
      return scores.indexOf(Math.max(...scores)) === task.valuesOf(clip.label).digit;
    });
    expect(right.length).toBeGreaterThan(0.6 * clips.length);
  });

  it('says its label in words that vary', () => {
    const { colour, digit, direction } = task.valuesOf(clips[0]!.label);
    expect(task.say(clips[0]!.label)).toBe(
      `a ${task.factors.colour[colour]} ${task.factors.digit[digit]} moves ${task.factors.direction[direction]}`,
    );
    expect(captionedDigits.describe().classNames[clips[0]!.label]).toBe(task.say(clips[0]!.label));
    const captions = new Map<number, Set<string>>();
    for (const { label, caption } of clips) captions.set(label, (captions.get(label) ?? new Set()).add(caption));
    const several = [...captions.values()].filter((one) => one.size > 1);
    expect(several.length).toBeGreaterThan(20);
    // No two labels share a caption.
    expect(new Set([...captions.values()].flatMap((one) => [...one])).size).toBe(
      [...captions.values()].reduce((sum, one) => sum + one.size, 0),
    );
  });

  it('leaves a fifth of the combinations out of training, and no pair of values', () => {
    const labels = Array.from({ length: task.numCombinations }, (_, label) => label);
    const seen = labels.filter((label) => !task.isUnseen(label));
    expect(seen.length / labels.length).toBeCloseTo(0.8, 2);
    const pairs = (some: number[]) =>
      new Set(
        some.flatMap((label) => {
          const { digit, colour, direction } = task.valuesOf(label);
          return [`${digit} ${colour}`, `digit ${digit} ${direction}`, `colour ${colour} ${direction}`];
        }),
      );
    expect(pairs(seen)).toEqual(pairs(labels));
    const unseenIn = (some: Clip[]) => some.filter(({ label }) => task.isUnseen(label)).length / some.length;
    expect(unseenIn(clips)).toBe(0);
    expect(unseenIn(take(captionedDigits.open({ ...spec, combinations: 'all' }), 300))).toBeGreaterThan(0.1);
    expect(unseenIn(take(captionedDigits.open({ ...spec, split: 'held-out' }), 300))).toBeGreaterThan(0.1);
  });

  it.each([
    [{ digitSize: 17 }, 'a digit of 17 pixels does not fit on 16x20'],
    [{ minSpeed: 2 }, 'expected 0 <= minSpeed <= maxSpeed, got 2 and 1.3'],
    [
      { numFrames: 5 },
      'maxSpeed: expected at most 1, as a digit of 12 has room for 4 pixels on 16x20 in 5 frames, got 1.3',
    ],
    [{ seed: -1 }, 'seed: expected an integer'],
  ])('refuses what cannot be: %j', (change, message) => {
    expect(() => captionedDigits.open({ ...spec, ...change })).toThrow(message);
  });
});
