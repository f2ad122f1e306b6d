import { FUSE_KERNEL, type Fusible } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Compiled, compile } from './compile.ts';
import { TRACE_BACKEND } from './trace-backend.ts';

const compiled = new WeakMap<Fusible, Compiled<tf.Tensor[], tf.Tensor[]>>();

/** Registers @eflow/tensor's `fuse` for traces: XLA compiles what it is given, once for each signature in the process. */
export function registerFuseKernel(): void {
  if (tf.getKernel(FUSE_KERNEL, TRACE_BACKEND)) return;
  tf.registerKernel({
    kernelName: FUSE_KERNEL,
    backendName: TRACE_BACKEND,
    kernelFunc: ({ inputs, attrs }) => {
      const { fn } = attrs as object as { fn: Fusible };
      const call = compiled.get(fn) ?? compile(fn, { xla: true });
      compiled.set(fn, call);
      return call(...(Object.values(inputs) as tf.Tensor[]));
    },
  });
}
