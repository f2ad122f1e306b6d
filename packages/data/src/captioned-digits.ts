import * as z from 'zod';
import { type CaptionTask, captionTask } from './caption-task.ts';
import { checkIndex } from './check.ts';
import type { ClipDataset } from './clip-dataset.ts';
import { clipSize } from './clip-size.ts';
import type { DatasetKind, Drawn } from './dataset-kind.ts';
import { createDraws } from './hash.ts';
import { countDigits, MNIST_SIDE, readMnist } from './mnist.ts';
import { checkClassifierSees, drawMoving } from './moving-digits.ts';
import { checkDigit } from './moving-digits-spec.ts';
import { antialiasWeights, resizeSquare } from './resize.ts';

const captionedDigitsSchema = z.strictObject({
  kind: z.literal('captionedDigits'),
  ...clipSize,
  digitSize: z.int().min(1).describe('side of a digit, pixels: the 28x28 originals are resized to it'),
  minSpeed: z.number().positive().describe('pixels per frame; of a clip uniform from minSpeed to maxSpeed'),
  maxSpeed: z.number().positive().describe('pixels per frame; no digit reaches a wall'),
  combinations: z
    .enum(['seen', 'all'])
    .default('seen')
    .describe("what training sees: 'seen' leaves out a fifth of the combinations of digit, colour and direction"),
});
type CaptionedDigitsSection = z.infer<typeof captionedDigitsSchema>;

/** What the clips are like: what a config says of them, a split and a seed. */
export interface CaptionedDigitsSpec extends Omit<CaptionedDigitsSection, 'kind'>, Drawn {}

/** RGB of ink, in the order of their names below. */
const COLOURS = [
  [255, 40, 40],
  [160, 50, 240],
  [255, 235, 40],
  [40, 210, 60],
  [40, 220, 230],
  [60, 90, 255],
  [255, 110, 200],
  [255, 255, 255],
] as const;

/** Steps to the right and down. */
const DIRECTIONS = [
  [-1, 0],
  [1, 0],
  [0, -1],
  [0, 1],
] as const;

/** What captions say. Any digit is trained in any colour and in any direction, and any colour in any direction; of all three together a fifth is not. */
export const captionedDigitsTask: CaptionTask<'digit' | 'colour' | 'direction'> = captionTask(
  {
    sentences: [
      'a {colour} {digit} moves {direction}',
      'a {digit} in {colour} moves {direction}',
      '{digit} in {colour}, moving {direction}',
      '{colour} {digit} going {direction}',
      'moving {direction}: a {colour} {digit}',
    ],
    phrases: {
      digit: [
        ['0', 'zero'],
        ['1', 'one'],
        ['2', 'two'],
        ['3', 'three'],
        ['4', 'four'],
        ['5', 'five'],
        ['6', 'six'],
        ['7', 'seven'],
        ['8', 'eight'],
        ['9', 'nine'],
      ],
      colour: [
        ['red'],
        ['purple', 'violet'],
        ['yellow'],
        ['green'],
        ['cyan', 'turquoise'],
        ['blue'],
        ['pink'],
        ['white'],
      ],
      direction: [
        ['left', 'to the left', 'leftwards'],
        ['right', 'to the right', 'rightwards'],
        ['up', 'upwards', 'to the top'],
        ['down', 'downwards', 'to the bottom'],
      ],
    },
  },
  ({ digit, colour, direction }) => (digit + 2 * colour + direction) % 5 === 0,
);

/**
 * One handwritten digit of a colour on black, RGB, that moves in one of four directions and reaches no wall. The caption says all
 * three, in words that vary; the label is the number of their combination. Throws on a spec that cannot be met; `clip` throws on an
 * index that is not an integer in [0, 2^53) and where the files of MNIST are missing, which are first read by it.
 */
function createCaptionedDigits(spec: CaptionedDigitsSpec): ClipDataset {
  checkSpec(spec);
  const { numFrames, height, width, digitSize, minSpeed, maxSpeed, combinations, split, seed } = spec;
  const weights = antialiasWeights(MNIST_SIDE, digitSize);
  const leavesOut = split === 'train' && combinations === 'seen';
  return {
    shape: [numFrames, height, width, 3],
    numClasses: captionedDigitsTask.numCombinations,
    clip(index) {
      checkIndex('clip index', index);
      const { images, labels } = readMnist(split);
      const draw = createDraws(seed, index);
      const sample = Math.floor(draw() * countDigits(split));
      const digit = labels[sample]!;
      let label: number;
      do {
        const [colour, direction] = [COLOURS, DIRECTIONS].map(({ length }) => Math.floor(draw() * length));
        label = captionedDigitsTask.labelOf({ digit, colour: colour!, direction: direction! });
      } while (leavesOut && captionedDigitsTask.isUnseen(label));
      const values = captionedDigitsTask.valuesOf(label);

      const speed = minSpeed + draw() * (maxSpeed - minSpeed);
      const step = DIRECTIONS[values.direction]!.map((side) => side * speed);
      // Where it begins: anywhere that leaves room for its way.
      const [x, y] = [width, height].map((size, axis) => {
        const way = step[axis]! * (numFrames - 1);
        return Math.max(0, -way) + draw() * (size - digitSize - Math.abs(way));
      });
      const ink = resizeSquare(images.subarray(sample * MNIST_SIDE ** 2, (sample + 1) * MNIST_SIDE ** 2), weights);
      const canvas = new Float32Array(numFrames * height * width);
      drawMoving(canvas, ink, { x: x!, y: y!, velocityX: step[0]!, velocityY: step[1]! }, spec);
      const colour = COLOURS[values.colour]!;
      const pixels = new Uint8ClampedArray(canvas.length * 3);
      canvas.forEach((brightness, pixel) => {
        for (const [channel, share] of colour.entries()) pixels[3 * pixel + channel] = (brightness * share) / 255;
      });
      return { pixels: new Uint8Array(pixels.buffer), label, caption: captionedDigitsTask.say(label, draw) };
    },
  };
}

/** Throws an Error that names the field, its value and the way out, unless clips of this spec can be made. */
function checkSpec(spec: CaptionedDigitsSpec): void {
  const room = checkDigit(spec);
  const { numFrames, height, width, digitSize, maxSpeed } = spec;
  if (maxSpeed * (numFrames - 1) <= room) return;
  throw new Error(
    `maxSpeed: expected at most ${room / (numFrames - 1)}, as a digit of ${digitSize} has room for ${room} pixels on ${height}x${width} ` +
      `in ${numFrames} frames, got ${maxSpeed}; make it slower, or the canvas larger`,
  );
}

/** Digits with captions; a label is a combination of digit, colour and direction. */
export const captionedDigits = {
  kind: 'captionedDigits',
  schema: captionedDigitsSchema,
  splits: () => ['train', 'held-out'],
  measuredBy: 'captionedDigits',
  open: createCaptionedDigits,
  describe: () => ({
    channels: 3,
    numClasses: captionedDigitsTask.numCombinations,
    classNames: Array.from({ length: captionedDigitsTask.numCombinations }, (_, label) =>
      captionedDigitsTask.say(label),
    ),
    frameStride: 1,
  }),
  captions: () => captionedDigitsTask,
  checkNameable: (section) => checkClassifierSees(section, 11),
} satisfies DatasetKind<CaptionedDigitsSection, CaptionedDigitsSpec>;
