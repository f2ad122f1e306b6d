import { NATIVE_KERNEL, type NativeCall, type NativeKernelConfig, type NativeSources } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import type { TFEOpAttr, TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { BACKEND, TF_BFLOAT16, tensorFlowBackend } from './compile/binding.ts';
import { loadOps, type OpDefinition } from './compile/op-definitions.ts';
import { currentGraph } from './compile/trace-backend.ts';
import { loaderWayOut } from './loader.ts';
import { compileNative } from './native-library.ts';
import { describeFailure, SetUpError } from './set-up-error.ts';

type Ops = ReadonlyMap<string, OpDefinition>;

/** Ops of the sources by their folder; undefined for those that could not be compiled or loaded. */
const libraries = new Map<string, Ops | undefined>();

/** Registers @eflow/tensor's `runNative`. Traces take the kernel over, as they do all others of this backend. */
export function registerNativeKernel(): void {
  if (tf.getKernel(NATIVE_KERNEL, BACKEND)) return;
  const config: NativeKernelConfig = {
    kernelName: NATIVE_KERNEL,
    backendName: BACKEND,
    loads: (sources) => findOps(sources) !== undefined,
    hasBfloat16Products: () => currentGraph()?.options.bfloat16 ?? false,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const call = attrs as object as NativeCall;
      const tensors = Object.values(inputs) as tf.Tensor[];
      const definition = requireOp(call, tensors.length);
      const { binding } = backend as NodeJSKernelBackend;
      const attributes = Object.entries(call.attributes).map(([name, value]) =>
        toAttribute(binding, { op: call.op, name, value, type: definition.attributes.get(name) }),
      );
      return (backend as NodeJSKernelBackend).executeMultipleOutputs(call.op, attributes, tensors, call.numOutputs);
    },
  };
  tf.registerKernel(config);
}

/** The ops of the sources, if they run here and now: not on a GPU, not in XLA, not in a model for elsewhere. */
function findOps(sources: NativeSources): Ops | undefined {
  const graph = currentGraph()?.options;
  if (graph?.xla || graph?.embed || tensorFlowBackend().isUsingGpuDevice || process.env.EFLOW_NATIVE === '0') {
    return undefined;
  }
  if (!libraries.has(sources.folder)) libraries.set(sources.folder, compileAndLoad(sources));
  return libraries.get(sources.folder);
}

/** Says why if that fails; the package then does without. */
function compileAndLoad(sources: NativeSources): Ops | undefined {
  try {
    return load(compileNative(sources));
  } catch (error) {
    process.emitWarning(
      `${sources.name} does without its native kernels, which is slower: ${describeFailure(error)} To do without them silently, set EFLOW_NATIVE=0.`,
      { code: 'EFLOW_NO_NATIVE' },
    );
    return undefined;
  }
}

function load(library: string): Ops {
  try {
    return loadOps(library);
  } catch (error) {
    throw new SetUpError(
      `${library} could not be loaded: ${error instanceof Error ? error.message : error}.`,
      loaderWayOut('Delete its folder to have it compiled again.'),
    );
  }
}

/** The op's definition. TensorFlow itself would read past an end for other numbers of inputs or outputs. */
function requireOp({ sources, op, numOutputs }: NativeCall, numInputs: number): OpDefinition {
  const ops = findOps(sources);
  if (!ops) throw new Error(`runNative: ${sources.name} has no native ops here; ask hasNative first`);
  const definition = ops.get(op);
  if (!definition) {
    throw new Error(`runNative: ${sources.name} has no op ${op}; its ops are ${[...ops.keys()].join(', ')}`);
  }
  const { inputs, numOutputs: outputs } = definition;
  if (inputs.length !== numInputs || outputs !== numOutputs) {
    throw new Error(
      `runNative: ${op} takes ${inputs.length} inputs and has ${outputs} outputs; given ${numInputs} and ${numOutputs}`,
    );
  }
  return definition;
}

interface Given {
  readonly op: string;
  readonly name: string;
  readonly value: number | boolean | string;
  /** As the op declares it. */
  readonly type: string | undefined;
}

function toAttribute(binding: TFJSBinding, { op, name, value, type }: Given): TFEOpAttr {
  const expected = (what: string) => new Error(`runNative: ${name} of ${op} is ${value}; expected ${what}`);
  switch (type) {
    case 'int':
      if (!Number.isSafeInteger(value)) throw expected('an integer');
      return { name, value, type: binding.TF_ATTR_INT };
    case 'float':
      if (typeof value !== 'number') throw expected('a number');
      return { name, value, type: binding.TF_ATTR_FLOAT };
    case 'bool':
      if (typeof value !== 'boolean') throw expected('a boolean');
      return { name, value, type: binding.TF_ATTR_BOOL };
    case 'string':
      if (typeof value !== 'string') throw expected('a string');
      return { name, value, type: binding.TF_ATTR_STRING };
    case 'type':
      if (value !== 'float' && value !== 'bfloat16') throw expected("'float' or 'bfloat16'");
      return { name, value: value === 'float' ? binding.TF_FLOAT : TF_BFLOAT16, type: binding.TF_ATTR_TYPE };
    default:
      throw new Error(`runNative: ${op} has no attribute ${name} of type int, float, bool, string or type`);
  }
}
