import { checkIndex } from './check.ts';
import type { ClipDataset } from './clip-dataset.ts';
import type { DatasetKind } from './dataset-kind.ts';
import { type DigitPath, drawPaths, reflect } from './digit-paths.ts';
import { MNIST_SIDE, readMnist } from './mnist.ts';
import {
  checkSpec,
  type MovingDigitsSection,
  type MovingDigitsSpec,
  movingDigitsSchema,
} from './moving-digits-spec.ts';
import { antialiasWeights, resizeSquare } from './resize.ts';

/**
 * Moving MNIST (Srivastava et al., arXiv:1502.04681) made from real digits: they move in straight lines at a constant
 * speed, placed to a fraction of a pixel, and the walls reflect them; where two overlap the brighter pixel is kept.
 * Pixels have one channel, ink 255 on ground 0. The label of one digit is the digit; of two it is 10 * first + second, in the order of the caption (first and second
 * are drawn alike, so that 37 and 73 look alike).
 * Throws on a spec that cannot be met; `clip` throws on an index that is not an integer in [0, 2^53) and where the
 * files of MNIST are missing, which are first read by it.
 */
export function createMovingDigits(spec: MovingDigitsSpec): ClipDataset {
  checkSpec(spec);
  const weights = antialiasWeights(MNIST_SIDE, spec.digitSize);
  return {
    shape: [spec.numFrames, spec.height, spec.width, 1],
    numClasses: 10 ** spec.numDigits,
    clip(index) {
      checkIndex('clip index', index);
      const { images, labels } = readMnist(spec.split);
      const canvas = new Float32Array(spec.numFrames * spec.height * spec.width);
      const captions: string[] = [];
      let label = 0;
      for (const path of drawPaths(spec, index)) {
        const start = path.sample * MNIST_SIDE ** 2;
        const ink = resizeSquare(images.subarray(start, start + MNIST_SIDE ** 2), weights);
        drawMoving(canvas, ink, path, spec);
        const digit = labels[path.sample]!;
        label = 10 * label + digit;
        captions.push(`the digit ${digit} ${path.heading}`);
      }
      const rounded = new Uint8ClampedArray(canvas);
      return { pixels: new Uint8Array(rounded.buffer), label, caption: captions.join(' and ') };
    },
  };
}

/** Throws unless clips are of one digit, of the size and in frames of the size that the shipped classifier was trained on. */
function checkNameable({ numDigits, digitSize, height, width }: MovingDigitsSection): void {
  if (numDigits !== 1) throw new Error('the classifier knows clips of one digit; data.numDigits is 2');
  checkClassifierSees({ digitSize, height, width }, 12);
}

/** Throws unless digits, and frames, are of the size that a shipped classifier was trained on. */
export function checkClassifierSees(
  { digitSize, height, width }: Pick<MovingDigitsSection, 'digitSize' | 'height' | 'width'>,
  trainedOn: number,
): void {
  if (digitSize !== trainedOn) {
    throw new Error(
      `the classifier was trained on digits of ${trainedOn} pixels; data.digitSize is ${digitSize}. Train another with pnpm train-classifier`,
    );
  }
  if (height !== 16 || width !== 16) {
    throw new Error(
      `the classifier was trained on frames of 16x16; data.height and data.width are ${height} and ${width}`,
    );
  }
}

/** Moving MNIST; the labels of two digits are pairs, 00 to 99. */
export const movingDigits = {
  kind: 'movingDigits',
  schema: movingDigitsSchema,
  splits: () => ['train', 'held-out'],
  measuredBy: 'digits',
  open: createMovingDigits,
  describe({ numDigits }) {
    const numClasses = 10 ** numDigits;
    const classNames = Array.from({ length: numClasses }, (_, label) => String(label).padStart(numDigits, '0'));
    return { channels: 1, numClasses, classNames, frameStride: 1 };
  },
  checkNameable,
} satisfies DatasetKind<MovingDigitsSection, MovingDigitsSpec>;

/** Draws a digit along its path, which walls reflect, into every frame of `canvas` [F, H, W]. */
export function drawMoving(
  canvas: Float32Array,
  ink: Float32Array,
  path: Pick<DigitPath, 'x' | 'y' | 'velocityX' | 'velocityY'>,
  spec: Pick<MovingDigitsSpec, 'numFrames' | 'height' | 'width' | 'digitSize'>,
): void {
  const { numFrames, height, width, digitSize } = spec;
  for (let frame = 0; frame < numFrames; frame++) {
    const x = reflect(path.x + frame * path.velocityX, width - digitSize);
    const y = reflect(path.y + frame * path.velocityY, height - digitSize);
    placeInk(canvas.subarray(frame * height * width, (frame + 1) * height * width), width, ink, digitSize, x, y);
  }
}

/**
 * Places `ink` [size, size] on `frame` [H, width] with its corner at (x, y), keeping the brighter value. A fractional
 * corner shares each ink pixel among four (bilinear), so that on an empty frame the total ink does not change.
 * The square must lie inside the frame: 0 <= x <= width - size, 0 <= y <= H - size.
 */
export function placeInk(
  frame: Float32Array,
  width: number,
  ink: Float32Array,
  size: number,
  x: number,
  y: number,
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const right = x - left; // the share that goes to the next pixel to the right
  const down = y - top;
  const at = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= size || column >= size ? 0 : ink[row * size + column]!;
  const numRows = down > 0 ? size + 1 : size;
  const numColumns = right > 0 ? size + 1 : size;
  for (let row = 0; row < numRows; row++) {
    for (let column = 0; column < numColumns; column++) {
      const upper = (1 - right) * at(row - 1, column) + right * at(row - 1, column - 1);
      const lower = (1 - right) * at(row, column) + right * at(row, column - 1);
      const value = (1 - down) * lower + down * upper;
      const index = (top + row) * width + left + column;
      if (value > frame[index]!) frame[index] = value;
    }
  }
}
