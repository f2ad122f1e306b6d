import { createDraws } from './hash.ts';
import { countDigits } from './mnist.ts';
import type { MovingDigitsSpec } from './moving-digits-spec.ts';

/** One digit's part in a clip: which digit of the split, its corner in frame 0 and its velocity in pixels per frame. */
export interface DigitPath {
  sample: number;
  x: number;
  y: number;
  velocityX: number;
  velocityY: number;
  /** How it sets off, in words; a wall may turn it later. */
  heading: string;
}

/** Clockwise from the right in steps of 45 degrees, since y points down. */
const HEADINGS = ['right', 'down and right', 'down', 'down and left', 'left', 'up and left', 'up', 'up and right'];

/** The paths of clip `index`: `numDigits` of them, a pure function of (spec, index). Samples are uniform over the split. */
export function drawPaths(spec: MovingDigitsSpec, index: number): DigitPath[] {
  const draw = createDraws(spec.seed, index);
  return Array.from({ length: spec.numDigits }, () => {
    const sample = Math.floor(draw() * countDigits(spec.split));
    const x = draw() * (spec.width - spec.digitSize);
    const y = draw() * (spec.height - spec.digitSize);
    const speed = spec.minSpeed + draw() * (spec.maxSpeed - spec.minSpeed);
    const turns = draw();
    return {
      sample,
      x,
      y,
      velocityX: speed * Math.cos(2 * Math.PI * turns),
      velocityY: speed * Math.sin(2 * Math.PI * turns),
      heading: speed === 0 ? 'standing still' : `moving ${HEADINGS[Math.round(8 * turns) % 8]}`,
    };
  });
}

/** Where a point that runs freely to `position` is when walls at 0 and `room` reflect it: a triangle wave in [0, room]. */
export function reflect(position: number, room: number): number {
  if (room === 0) return 0;
  const phase = Math.abs(position) % (2 * room);
  return phase <= room ? phase : 2 * room - phase;
}
