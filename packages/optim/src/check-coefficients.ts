import * as tf from '@tensorflow/tfjs-core';

/** Throws, naming the coefficient, unless each is a finite number or a scalar. */
export function checkCoefficients(where: string, coefficients: Readonly<Record<string, number | tf.Scalar>>): void {
  for (const [name, value] of Object.entries(coefficients)) {
    if (value instanceof tf.Tensor ? value.rank === 0 : Number.isFinite(value)) continue;
    const found = value instanceof tf.Tensor ? `[${value.shape.join(', ')}]` : value;
    throw new Error(
      `${where}: ${name} is ${found}; expected a finite number or a scalar, as coefficients(step) gives them`,
    );
  }
}
