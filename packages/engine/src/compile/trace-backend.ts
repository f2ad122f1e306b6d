import { BARRIER_KERNEL } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import type { TFEOpAttr, TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { BACKEND, tensorFlowBackend } from './binding.ts';
import { type Graph, MAX_CONSTANT_BYTES } from './graph.ts';
import { refuse } from './refusal.ts';
import { addKeyAndCounter, XLA_DRAWS } from './xla-random.ts';

/** The tfjs backend whose tensors are those of a graph: it runs nothing and adds an op to the graph instead. */
export const TRACE_BACKEND = 'tensorflow-trace';

/** `embed` stores captured tensors in the graph whatever their size; `const` small ones alone; `refuse` none. */
export type Captures = 'const' | 'refuse' | 'embed';

interface TensorData {
  shape: number[];
  dtype: number;
  values: tf.backend_util.BackendValues | null;
  id: number;
  refCount: number;
}

/** What the trace that is running now works on. */
export interface TraceState {
  readonly graph: Graph;
  readonly captures: Captures;
  /** By the tensors' dataId. */
  readonly data: Map<object, TensorData>;
  /** dataIds of tensors from outside. */
  readonly captured: Set<object>;
  /** The first refusal that the function could not be told of by an exception. */
  refused?: Error;
}

let state: TraceState | undefined;

/** The graph that ops go to now; undefined while nothing is traced. */
export const currentGraph = (): Graph | undefined => state?.graph;

/** Runs `fn` with ops going to `next.graph`. */
export function withTraceState<T>(next: TraceState, fn: () => T): T {
  registerTraceBackend();
  const before = { state, backend: tf.getBackend() };
  state = next;
  // Takes effect at once, as the backend is there; its promise tells nothing more.
  void tf.setBackend(TRACE_BACKEND);
  try {
    return fn();
  } finally {
    state = before.state;
    void tf.setBackend(before.backend);
  }
}

/** The id in the graph of a tensor's data; uploads what waits to be. */
export function graphId(tensor: tf.Tensor): number {
  const backend = tf.findBackend(TRACE_BACKEND) as NodeJSKernelBackend;
  // biome-ignore lint/complexity/useLiteralKeys: the method is private in tfjs-node's types
  return backend['getInputTensorIds']([tensor])[0]!;
}

/** A tensor of the trace backend for a tensor of the graph. */
export function traceTensor(metadata: { id: number; dtype: number; shape: number[] }): tf.Tensor {
  const backend = tf.findBackend(TRACE_BACKEND) as NodeJSKernelBackend;
  // biome-ignore lint/complexity/useLiteralKeys: the method is private in tfjs-node's types
  return backend['createOutputTensor'](metadata);
}

const current = (): TraceState => {
  if (state) return state;
  throw new Error(
    'a tensor of a compiled function was used outside of it: return what is needed, instead of keeping it in a variable',
  );
};

function registerTraceBackend(): void {
  if (!tf.findBackend(TRACE_BACKEND)) {
    tf.registerBackend(TRACE_BACKEND, () => createTraceBackend());
    tf.registerKernel({ kernelName: BARRIER_KERNEL, backendName: TRACE_BACKEND, kernelFunc: barrier });
  }
  for (const kernel of tf.getKernelsForBackend(BACKEND)) {
    if (tf.getKernel(kernel.kernelName, TRACE_BACKEND)) continue;
    const usual = OWN_KERNELS[kernel.kernelName] ?? kernel.kernelFunc;
    const forXla = XLA_DRAWS[kernel.kernelName] ?? usual;
    const kernelFunc: tf.KernelFunc = (call) => (current().graph.options.xla ? forXla : usual)(call);
    tf.registerKernel({ ...kernel, kernelFunc, backendName: TRACE_BACKEND });
  }
}

/** tfjs-node's kernels ask this object for everything, so that they work unchanged: they call executeOp of its binding. */
function createTraceBackend(): NodeJSKernelBackend {
  const real = tensorFlowBackend();
  const realData = dataOf(real);
  const read = (op: 'data' | 'dataSync'): Error =>
    refuse(
      op,
      'the function reads the values of a tensor, which are not known before the graph runs',
      'Return the tensor and read it outside',
    );

  const tensorMap = {
    has: (dataId: object) => current().data.has(dataId) || realData.has(dataId),
    get: (dataId: object) => current().data.get(dataId) ?? capture(dataId),
    set: (dataId: object, data: TensorData) => current().data.set(dataId, data),
    delete: (dataId: object) => current().data.delete(dataId),
    numDataIds: () => current().data.size,
  };

  function capture(dataId: object): TensorData {
    const { captures, captured, data } = current();
    if (!realData.has(dataId)) {
      throw refuse(
        'captured tensor',
        'it is disposed, or lives on another backend or in another function',
        'Pass a live tensor as an argument',
      );
    }
    const { shape, dtype } = realData.get(dataId);
    const bytes = 4 * tf.util.sizeFromShape(shape);
    const described = `a tensor of shape [${shape.join(', ')}] that was made outside`;
    if (captures === 'refuse') {
      throw refuse('captured tensor', `the function uses ${described}`, 'Pass it as an argument');
    }
    if (captures === 'const' && bytes > MAX_CONSTANT_BYTES) {
      throw refuse(
        'captured tensor',
        `the function uses ${described}, and its ${bytes} bytes would be stored in the graph as they are now`,
        'Pass it as an argument',
      );
    }
    const values = real.readSync(dataId);
    const info = { shape, dtype, values, id: -1, refCount: 1 };
    data.set(dataId, info);
    captured.add(dataId);
    return info;
  }

  return Object.create(real, {
    binding: { value: createTraceBinding(real.binding) },
    tensorMap: { value: tensorMap },
    write: {
      value(this: NodeJSKernelBackend, values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType) {
        refuseRandomValues();
        const dataId = {};
        this.move(dataId, values, shape, dtype, 1);
        return dataId;
      },
    },
    // A captured tensor's data stays the real backend's, and so does the count of who uses it.
    incRef: {
      value: (dataId: object) => {
        tensorMap.get(dataId).refCount++;
        if (current().captured.has(dataId)) real.incRef(dataId);
      },
    },
    readSync: {
      value: () => {
        current(); // a tensor that was kept is read outside
        throw read('dataSync');
      },
    },
    read: {
      value: () => {
        current().refused ??= read('data');
        return new Promise(() => {}); // never: the trace is over before anyone could go on
      },
    },
  });
}

function createTraceBinding(real: TFJSBinding): TFJSBinding {
  const graph = () => current().graph;
  return Object.create(real, {
    createTensor: {
      value(shape: number[], dtype: number, values: tf.backend_util.TypedArray | unknown[]) {
        if (!ArrayBuffer.isView(values)) throw refuse('constant', 'a graph cannot hold strings here', 'Use numbers');
        return graph().addConstant(dtype, shape, values).id;
      },
    },
    deleteTensor: { value: () => {} },
    executeOp: {
      value(op: string, attributes: TFEOpAttr[], inputs: number[], numOutputs: number) {
        if (op === SEED_OP && graph().isConstant(inputs[0]!)) {
          throw refuse(
            'random draw',
            'the seed is a constant, so that every call would draw the same numbers',
            'Pass the stream as an argument, made by uploadStream of @eflow/tensor',
          );
        }
        if (op === SEED_OP && graph().options.xla) return addKeyAndCounter(graph(), inputs[0]!);
        const outputs = graph().addOperation(op, attributes, inputs);
        if (outputs.length === numOutputs) return outputs;
        throw refuse(op, `it has ${outputs.length} outputs, where ${numOutputs} are expected`, 'Use other ops');
      },
    },
    tensorDataSync: {
      value: () => {
        throw refuse('dataSync', 'a kernel of TensorFlow.js reads the values of a tensor', 'Call it outside');
      },
    },
  });
}

/** Every draw of @eflow/tensor begins with this op on its seed. */
const SEED_OP = 'StatelessRandomGetKeyCounter';

/** TensorFlow.js draws random numbers in JavaScript, once: in a graph they would be constants. */
function refuseRandomValues(): void {
  const scope = tf.engine().state.activeScope?.name ?? '';
  const op = /^(random\w*|truncatedNormal|rand|multinomial|dropout)__op$/.exec(scope)?.[1];
  if (!op) return;
  throw refuse(
    `tf.${op}`,
    'its numbers are drawn once, in JavaScript, and every call would get the same',
    'Draw with @eflow/tensor from a stream that is an argument, or draw outside and pass the tensor',
  );
}

/** Kernels of tfjs-node that read values, done without. */
const OWN_KERNELS: Readonly<Record<string, tf.KernelFunc>> = {
  GatherV2: ({ inputs, attrs, backend }) => {
    const { x, indices } = inputs as { x: tf.Tensor; indices: tf.Tensor };
    const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number };
    const { binding } = backend as NodeJSKernelBackend;
    const axisTensor = tf.scalar(axis, 'int32');
    const batch: TFEOpAttr = { name: 'batch_dims', type: binding.TF_ATTR_INT, value: batchDims };
    return (backend as NodeJSKernelBackend).executeSingleOutput('GatherV2', [batch], [x, indices, axisTensor]);
  },
};

const barrier: tf.KernelFunc = ({ inputs }) => {
  const { x, after } = inputs as { x: tf.Tensor; after: tf.Tensor };
  return traceTensor(current().graph.addBarrier(graphId(x), graphId(after)));
};

/** The table of a tfjs-node backend's tensors; private in its types. */
const dataOf = (backend: NodeJSKernelBackend) =>
  // biome-ignore lint/complexity/useLiteralKeys: private in tfjs-node's types
  backend['tensorMap'] as unknown as { has(dataId: object): boolean; get(dataId: object): TensorData };
