import * as tf from '@tensorflow/tfjs-core';
import { refuse } from './refusal.ts';

/** A number above those of the tensors that are there, and below those of later ones. */
// biome-ignore lint/complexity/useLiteralKeys: the method is private in tfjs-core's types
export const nextTensorId = (): number => tf.engine()['nextTensorId']();

/** Runs `fn` in a scope of its own: what it makes and does not keep is disposed; if it throws, what it keeps too. */
export function withScope<T>(fn: () => T): T {
  const engine = tf.engine();
  const { keep } = engine;
  const first = nextTensorId();
  const kept: tf.Tensor[] = [];
  engine.keep = (tensor) => {
    if (tensor.id > first) kept.push(tensor);
    return keep.call(engine, tensor) as typeof tensor;
  };
  engine.startScope('compile');
  try {
    return fn();
  } catch (error) {
    tf.dispose(kept);
    throw error;
  } finally {
    engine.keep = keep;
    engine.endScope();
  }
}

/** Runs `fn`, which may not dispose of tensors that are there before: in a graph nothing would happen to them. */
export function guardTensors<T>(fn: () => T): T {
  const engine = tf.engine();
  const { disposeTensor } = engine;
  const first = nextTensorId();
  engine.disposeTensor = (tensor) => {
    if (tensor.id < first) {
      throw refuse(
        'dispose',
        'the function disposes of an argument or of a tensor from outside, or assigns to a variable',
        'Leave that to its caller, and return what a variable is to become',
      );
    }
    disposeTensor.call(engine, tensor);
  };
  try {
    return fn();
  } finally {
    engine.disposeTensor = disposeTensor;
  }
}
