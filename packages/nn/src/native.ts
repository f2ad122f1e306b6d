import { hasBfloat16Products, hasNative, type NativeCall, type NativeSources, runNative } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** The C++ ops of this package, `native/`; asked for where TensorFlow runs, which is never a bundle. */
const SOURCES: NativeSources = {
  name: '@eflow/nn',
  get folder() {
    return new URL('../native/', import.meta.url).href;
  },
};

/** Whether layers run as one op each: on TensorFlow's own CPU runtime alone. */
export const hasFused = (): boolean => hasNative(SOURCES);

/** The outputs of an op of `native/nn.cc`. Throws unless `hasFused()`. */
export const runFused = (
  op: string,
  inputs: readonly tf.Tensor[],
  numOutputs: number,
  attributes: NativeCall['attributes'] = {},
): tf.Tensor[] => runNative(SOURCES, op, inputs, attributes, numOutputs);

/** The type of what an op makes for a matrix product alone, which would round it to that anyhow. */
export const factorType = () => ({ F: hasBfloat16Products() ? 'bfloat16' : 'float' });

/** `forward` of the inputs, whose gradients `backward` gives from that of the result and the inputs. The caller owns the result. */
export function withGradient<Inputs extends tf.Tensor[]>(
  inputs: readonly [...Inputs],
  forward: (...inputs: Inputs) => tf.Tensor,
  backward: (dy: tf.Tensor, ...inputs: Inputs) => tf.Tensor[],
): tf.Tensor {
  return tf.customGrad((...args) => {
    const at = args.slice(0, -1) as Inputs;
    (args.at(-1) as tf.GradSaveFunc)(at);
    return {
      value: forward(...at),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => backward(dy, ...(saved as Inputs)),
    };
  })(...inputs);
}
