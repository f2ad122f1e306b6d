import * as tf from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import type { TensorMetadata } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { BACKEND } from './binding.ts';
import { CompileError } from './refusal.ts';
import type { RegisteredFunction } from './registered-function.ts';
import { currentGraph, graphId, TRACE_BACKEND, traceTensor } from './trace-backend.ts';

const CALL_KERNEL = 'EflowCall';

/** What a call needs of a registered function; its results' types and shapes are those of its only graph. */
export interface Callee {
  readonly registered: RegisteredFunction;
  readonly outputs: readonly TensorMetadata[];
}

/**
 * Runs the function; while another is traced, makes a call of it part of that graph, for XLA to compile. Throws a
 * CompileError if XLA is to compile an op that it lacks. The caller owns the results.
 */
export function callFunction(callee: Callee, inputs: readonly tf.Tensor[]): tf.Tensor[] {
  registerCallKernels();
  const named: tf.NamedTensorMap = Object.fromEntries(inputs.entries());
  const attributes = { callee: callee as object as tf.NamedAttrMap };
  return tf.engine().runKernel<tf.Tensor[]>(CALL_KERNEL, named, attributes);
}

const calleeOf = (attributes: tf.NamedAttrMap | undefined) => attributes!.callee as object as Callee;

/** As kernels, so that a tape notes calls: a gradient through one is an error, not zero. */
function registerCallKernels(): void {
  if (tf.getKernel(CALL_KERNEL, BACKEND)) return;
  tf.registerKernel({
    kernelName: CALL_KERNEL,
    backendName: BACKEND,
    kernelFunc: ({ inputs, attrs, backend }) => run(backend as NodeJSKernelBackend, calleeOf(attrs), tensorsOf(inputs)),
  });
  tf.registerKernel({
    kernelName: CALL_KERNEL,
    backendName: TRACE_BACKEND,
    kernelFunc: ({ inputs, attrs }) => {
      const { registered, outputs } = calleeOf(attrs);
      return currentGraph()!.addXlaCall(registered, tensorsOf(inputs).map(graphId), outputs).map(traceTensor);
    },
  });
  tf.registerGradient({
    kernelName: CALL_KERNEL,
    gradFunc: () => {
      throw new CompileError(
        'compile: a gradient through a compiled function was asked for, which has none. Take the gradient inside the function that is compiled',
      );
    },
  });
}

const tensorsOf = (inputs: tf.NamedTensorInfoMap) => Object.values(inputs) as tf.Tensor[];

function run(backend: NodeJSKernelBackend, { registered, outputs }: Callee, inputs: tf.Tensor[]): tf.Tensor[] {
  try {
    return backend.executeMultipleOutputs(registered.name, [], inputs, outputs.length);
  } catch (error) {
    const op = /unsupported operations .* on XLA\w*: (\w+)/.exec((error as Error).message)?.[1];
    if (!op) throw error;
    throw new CompileError(`compile: ${op}: XLA cannot compile this op. Leave the option xla out, or use other ops`);
  }
}
