import * as z from 'zod';
import { type CaptionTask, captionTask, withArticles } from '../caption-task.ts';
import { checkCount, checkIndex, checkSeed } from '../check.ts';
import type { ClipDataset } from '../clip-dataset.ts';
import { clipSize } from '../clip-size.ts';
import type { DatasetKind, Drawn } from '../dataset-kind.ts';
import { createDraws } from '../hash.ts';
import { ANIMALS } from './animals.ts';
import { drawSprite, type Place } from './draw-sprite.ts';
import { checkFetched, readSprites, type Sprite } from './emoji-cache.ts';

const movingEmojiSchema = z.strictObject({
  kind: z.literal('movingEmoji'),
  ...clipSize,
  combinations: z
    .enum(['seen', 'all'])
    .default('seen')
    .describe("what training sees: 'seen' leaves out a fifth of the combinations of subject, ground and path"),
});
type MovingEmojiSection = z.infer<typeof movingEmojiSchema>;

/** What the clips are like: what a config says of them, a split and a seed. */
export interface MovingEmojiSpec extends Omit<MovingEmojiSection, 'kind'>, Drawn {}

/** RGB of grounds, in the order of their names below. */
const GROUNDS = [
  [255, 255, 255],
  [20, 20, 20],
  [140, 140, 140],
  [220, 50, 50],
  [250, 150, 40],
  [250, 225, 70],
  [60, 170, 70],
  [40, 170, 170],
  [60, 100, 220],
  [140, 70, 190],
  [250, 160, 200],
  [130, 85, 50],
] as const;

/** The shortest side at which a subject can be told. */
const LEAST_SIDE = 16;

/**
 * What captions say. Any animal is trained on any ground and on any path, and any ground with any path; of all three together a fifth is
 * not.
 */
export const movingEmojiTask: CaptionTask<'subject' | 'ground' | 'path'> = captionTask(
  {
    sentences: [
      '{subject} {path} on a {ground} ground',
      'on a {ground} ground, {subject} {path}',
      '{subject} that {path}, {ground} background',
      '{ground} ground: {subject} {path}',
    ],
    phrases: {
      subject: ANIMALS.map(([, ...names]) => names.map((name) => withArticles(`a ${name}`)) as [string, ...string[]]),
      ground: [
        ['white'],
        ['black'],
        ['grey', 'gray'],
        ['red'],
        ['orange'],
        ['yellow'],
        ['green'],
        ['teal'],
        ['blue'],
        ['purple', 'violet'],
        ['pink'],
        ['brown'],
      ],
      path: [
        ['moves left', 'moves to the left', 'goes leftwards'],
        ['moves right', 'moves to the right', 'goes rightwards'],
        ['moves up', 'rises', 'goes upwards'],
        ['moves down', 'sinks', 'goes downwards'],
        ['grows', 'gets larger', 'comes nearer'],
        ['shrinks', 'gets smaller', 'goes away'],
        ['stays', 'stays in place', 'does not move'],
        ['bounces', 'jumps up and down', 'hops'],
      ],
    },
  },
  ({ subject, ground, path }) => (subject + 2 * ground + path) % 5 === 0,
);

/** Numbers of paths, in the order of their names. */
const [LEFT, , UP, DOWN, GROWS, SHRINKS, STAYS, BOUNCES] = [0, 1, 2, 3, 4, 5, 6, 7];
const BOUNCES_A_CLIP = 2;

/** Where a subject is from the first frame, at 0, to the last, at 1; places are within [0, side]. */
function drawPath(path: number, side: number, draw: () => number): (time: number) => Place {
  const between = (least: number, most: number) => least + draw() * (most - least);
  if (path === GROWS || path === SHRINKS) {
    const [small, large] = [between(0.3, 0.4), between(0.65, 0.8)];
    const [x, y] = [between(large / 2, 1 - large / 2), between(large / 2, 1 - large / 2)];
    return (time) => {
      const size = small + (large - small) * (path === GROWS ? time : 1 - time);
      return { x: (x - size / 2) * side, y: (y - size / 2) * side, size: size * side };
    };
  }
  const size = between(0.45, 0.6);
  const room = 1 - size;
  const way = path === STAYS ? 0 : between(0.7, 1) * room;
  const [along, across] = [draw() * (room - way), draw() * room];
  const isUpright = path === UP || path === DOWN || path === BOUNCES;
  return (time) => {
    const share =
      path === BOUNCES
        ? 1 - Math.abs(Math.sin(BOUNCES_A_CLIP * Math.PI * time))
        : path === LEFT || path === UP
          ? 1 - time
          : time;
    const moved = along + way * share;
    const [x, y] = isUpright ? [across, moved] : [moved, across];
    return { x: x * side, y: y * side, size: size * side };
  };
}

/**
 * An animated animal on a plain ground, RGB, that moves along one of eight paths. The caption says all three, in words that vary; the label is
 * the number of their combination. Throws on a spec that cannot be met, and where the emoji were not fetched; `clip` throws on an index that
 * is not an integer in [0, 2^53).
 */
function createMovingEmoji(spec: MovingEmojiSpec): ClipDataset {
  const { numFrames, height, width, combinations, split, seed } = spec;
  for (const [name, value] of Object.entries({ numFrames, height, width })) checkCount(name, value);
  checkSeed(seed);
  const side = Math.min(height, width);
  if (side < LEAST_SIDE) {
    throw new Error(
      `height, width: expected at least ${LEAST_SIDE}, as a smaller animal cannot be told, got ${height} and ${width}`,
    );
  }
  checkFetched();
  const task = movingEmojiTask;
  const leavesOut = split === 'train' && combinations === 'seen';
  const offset = split === 'train' ? 0 : HELD_OUT; // other draws, as there are no animals that are held out
  const sprites = new Map<string, Sprite[][]>();
  return {
    shape: [numFrames, height, width, 3],
    numClasses: task.numCombinations,
    clip(index) {
      checkIndex('clip index', index);
      const draw = createDraws((seed + offset) % 2 ** 32, index);
      let label: number;
      do label = Math.floor(draw() * task.numCombinations);
      while (leavesOut && task.isUnseen(label));
      const { subject, ground, path } = task.valuesOf(label);
      const [code] = ANIMALS[subject]!;
      const frames = sprites.get(code) ?? readSprites(code);
      sprites.set(code, frames);

      const place = drawPath(path, side, draw);
      const [left, top] = [width, height].map((size) => draw() * (size - side));
      const [phase, pace] = [draw() * frames.length, 0.75 + draw() / 2];
      const frameSize = height * width * 3;
      const pixels = new Uint8Array(numFrames * frameSize);
      const empty = Uint8Array.from({ length: frameSize }, (_, i) => GROUNDS[ground]![i % 3]!);
      for (let frame = 0; frame < numFrames; frame++) {
        const canvas = pixels.subarray(frame * frameSize, (frame + 1) * frameSize);
        canvas.set(empty);
        const { x, y, size } = place(numFrames > 1 ? frame / (numFrames - 1) : 0);
        const pictures = frames[Math.floor(phase + frame * pace) % frames.length]!;
        drawSprite(canvas, width, pictures, { x: x + left!, y: y + top!, size });
      }
      return { pixels, label, caption: task.say(label, draw) };
    },
  };
}

const HELD_OUT = 0x8000_0000;

/** The classifier's training: what it names in clips of other sizes was not measured. */
function checkNameable({ numFrames, height, width }: MovingEmojiSection): void {
  if (numFrames === 8 && height === 32 && width === 32) return;
  throw new Error(
    `the classifier of moving emoji knows clips of 8 frames of 32x32; these are of ${numFrames} frames of ${height}x${width}`,
  );
}

/** Animated animals with captions; a label is a combination of subject, ground and path. */
export const movingEmoji = {
  kind: 'movingEmoji',
  schema: movingEmojiSchema,
  splits: () => ['train', 'held-out'],
  measuredBy: 'movingEmoji',
  open: createMovingEmoji,
  describe() {
    const task = movingEmojiTask;
    return {
      channels: 3,
      numClasses: task.numCombinations,
      classNames: Array.from({ length: task.numCombinations }, (_, label) => task.say(label)),
      frameStride: 1,
    };
  },
  captions: () => movingEmojiTask,
  checkNameable,
} satisfies DatasetKind<MovingEmojiSection, MovingEmojiSpec>;
