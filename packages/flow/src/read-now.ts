import * as tf from '@tensorflow/tfjs-core';

/** Backends that hand a tensor's values out later. */
const LATER = ['webgpu'];

/**
 * A tensor's values, or undefined where none can be had at once: while a function is traced, and on the GPU of a browser.
 * Throws what reading throws otherwise, such as of a disposed tensor.
 */
export function readNow(tensor: tf.Tensor): ArrayLike<number> | undefined {
  if (LATER.includes(tf.getBackend())) return undefined;
  try {
    return tensor.dataSync();
  } catch (error) {
    // The tensor of a function that `compile` of @eflow/engine traces has no values. Told by name: this package does not depend on it.
    if ((error as Error).name === 'CompileError') return undefined;
    throw error;
  }
}

/** Throws unless every time is in [0, 1], where times can be read. */
export function assertTimes(where: string, name: string, timestep: tf.Tensor): void {
  const outside = find(readNow(timestep), (t) => !(t >= 0 && t <= 1));
  if (outside) {
    throw new Error(
      `${where}: ${name} of row ${outside.row} is ${outside.value}; expected a time in [0, 1], 0 data, 1 noise`,
    );
  }
}

/** Throws unless no time is later than another, or, if `strict`, unless each is earlier; where they can be read. */
export function assertOrder(
  where: string,
  names: [later: string, earlier: string],
  later: tf.Tensor,
  earlier: tf.Tensor,
  { strict = false } = {},
): void {
  const [t, s] = [readNow(later), readNow(earlier)];
  const wrong = t && find(s, (value, row) => !(strict ? value < t[row]! : value <= t[row]!));
  if (wrong) {
    throw new Error(
      `${where}: in row ${wrong.row} ${names[1]} is ${wrong.value} and ${names[0]} is ${t[wrong.row]}; expected ${names[1]} ${strict ? '<' : '<='} ${names[0]}, as jumps go towards the data`,
    );
  }
}

function find(values: ArrayLike<number> | undefined, isWrong: (value: number, row: number) => boolean) {
  for (let row = 0; row < (values?.length ?? 0); row++) {
    if (isWrong(values![row]!, row)) return { row, value: values![row]! };
  }
  return undefined;
}
