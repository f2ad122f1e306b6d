import { hashNumbers } from './fixture-numbers.ts';

/** The slope of a function along a random direction of one of its inputs, by differences. */
export interface Slope {
  /** Which input. */
  input: number;
  direction: Float32Array;
  slope: number;
}

/** A slope beside that which a gradient gives. */
export interface Comparison {
  input: number;
  slope: number;
  fromGradient: number;
  /** The gradient's norm, the size of a typical slope; if it is next to nothing, a thirtieth of the largest of all inputs. */
  scale: number;
}

/**
 * Slopes of `value` at `inputs` along as many random directions of each input, whose entries are about 1: central
 * differences over steps of `epsilon` and half of that, Richardson-extrapolated.
 */
export function findSlopes(
  value: (inputs: number[][]) => number,
  inputs: number[][],
  { epsilon, directions, seed }: { epsilon: number; directions: number; seed: number },
): Slope[] {
  return inputs.flatMap((at, input) =>
    Array.from({ length: directions }, (_, trial) => {
      const direction = hashNumbers(`direction ${seed} ${input} ${trial}`, at.length);
      const moved = (step: number) =>
        value(
          inputs.with(
            input,
            at.map((x, i) => x + step * direction[i]!),
          ),
        );
      const difference = (step: number) => (moved(step) - moved(-step)) / (2 * step);
      return { input, direction, slope: (4 * difference(epsilon / 2) - difference(epsilon)) / 3 };
    }),
  );
}

/** Sets slopes beside those that the gradients of all inputs give along the same directions. */
export function compareSlopes(gradients: ArrayLike<number>[], slopes: Slope[]): Comparison[] {
  const norms = gradients.map((gradient) => Math.sqrt(Array.from(gradient).reduce((sum, x) => sum + x * x, 0)));
  const negligible = Math.max(...norms) / 30; // what is less is the rounding of terms that cancel
  return slopes.map(({ input, direction, slope }) => {
    const gradient = gradients[input]!;
    const fromGradient = direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0);
    return { input, slope, fromGradient, scale: Math.max(norms[input]!, negligible) };
  });
}
