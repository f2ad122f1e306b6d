import * as tf from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import type { TensorMetadata, TFEOpAttr, TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';

/** A graph in the addon; freed when it is garbage. */
export type GraphHandle = { readonly graph: unique symbol };

/** tfjs-node's addon with the additions of `native/compiled-functions.cc`; ids in a graph are that graph's own. */
export interface NativeBinding extends TFJSBinding {
  createGraph(): GraphHandle;
  deleteGraph(graph: GraphHandle): void;
  addOperation(
    graph: GraphHandle,
    op: string,
    inputs: (number | number[])[],
    attributes: TFEOpAttr[],
    controlInputs: number[],
  ): TensorMetadata[];
  addConstant(graph: GraphHandle, dtype: number, shape: number[], values: ArrayBufferView): TensorMetadata[];
  serializeGraph(graph: GraphHandle): Buffer;
  nameTensor(graph: GraphHandle, id: number): string;
  registerFunction(graph: GraphHandle, name: string, inputs: number[], outputs: number[], xla: boolean): void;
  importFunction(graph: GraphHandle, name: string): void;
  removeFunction(name: string): void;
  hasFunction(name: string): boolean;
  listOpDefinitions(): Buffer;
  /** Loads a shared library whose ops register themselves; their definitions. */
  loadLibrary(path: string): Buffer;
}

export const BACKEND = 'tensorflow';

/** Whether ops run on TensorFlow's own runtime right now; false while a function is traced. */
export const isOnTensorFlow = (): boolean => tf.getBackend() === BACKEND;

export const tensorFlowBackend = (): NodeJSKernelBackend => tf.findBackend(BACKEND) as NodeJSKernelBackend;

export const nativeBinding = (): NativeBinding => tensorFlowBackend().binding as NativeBinding;

/** TensorFlow's numbers of types, of tensors and of attributes, that TensorFlow.js does not know. */
export const TF_BFLOAT16 = 14;
export const TF_UINT64 = 23;
export const TF_ATTR_FUNC = 8;

/** The `alg` of TensorFlow's stateless random ops. */
export const PHILOX = 1;
