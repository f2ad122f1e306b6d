import { withoutTape } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorMetadata } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { isPlainObject } from './arguments.ts';
import { nativeBinding, tensorFlowBackend } from './binding.ts';
import { createGraph, type Graph, type GraphOptions } from './graph.ts';
import { CompileError } from './refusal.ts';
import { type Captures, graphId, type TraceState, traceTensor, withTraceState } from './trace-backend.ts';
import { guardTensors, nextTensorId, withScope } from './trace-scope.ts';

/** A function as a graph. */
export interface Trace {
  readonly graph: Graph;
  /** Placeholders, in the order of the arguments' tensors. */
  readonly inputs: readonly number[];
  /** Tensors of the result, in the order of its leaves; each occurs once. */
  readonly outputs: readonly TensorMetadata[];
  /** The result's structure, with a null for every tensor. */
  readonly structure: Structure;
}

export type Structure = null | readonly Structure[] | { readonly [key: string]: Structure };

export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: tf.DataType;
}

/**
 * Calls `fn` once with tensors that have shapes and types but no values, and records the ops that it asks for. Nothing
 * is computed. Throws a CompileError for what a graph cannot hold.
 */
export function trace(
  fn: (tensors: tf.Tensor[]) => unknown,
  specs: readonly TensorSpec[],
  { captures, ...options }: GraphOptions & { captures: Captures },
): Trace {
  const graph = createGraph(options);
  const backend = tensorFlowBackend();
  const state: TraceState = { graph, captures, data: new Map(), captured: new Set() };
  const stackTraceLimit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100; // deep enough to see the function itself below the ops that it calls
  try {
    return withTraceState(state, () =>
      withoutTape(() =>
        withScope(() => {
          const placeholders = specs.map(({ shape, dtype }) =>
            graph.addPlaceholder(backend.getDTypeInteger(dtype), [...shape]),
          );
          const args = placeholders.map(traceTensor);
          const made = nextTensorId();
          const result = guardTensors(() => callTraced(fn, args));
          // The result is refused below; what becomes of it later is of no interest.
          if (result instanceof Promise) result.catch(() => {});
          if (state.refused) throw state.refused;
          const leaves: tf.Tensor[] = [];
          const structure = describe(result, 'the result', leaves);
          const inputs = placeholders.map(({ id }) => id);
          const outputs = distinctOutputs(graph, leaves, inputs);
          tf.dispose(leaves.filter(({ id }) => id > made)); // those that are kept; a tensor from outside lives on
          return { graph, inputs, outputs, structure };
        }),
      ),
    );
  } catch (error) {
    for (const callee of graph.callees) callee.release();
    graph.dispose();
    throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Its name marks in a stack where the traced function begins. */
function callTraced(fn: (tensors: tf.Tensor[]) => unknown, args: tf.Tensor[]): unknown {
  return fn(args);
}

/** A function may not return an argument, nor one tensor twice: those get an op of their own. */
function distinctOutputs(graph: Graph, leaves: readonly tf.Tensor[], inputs: readonly number[]): TensorMetadata[] {
  const taken = new Set(inputs);
  const dtypeOf = (leaf: tf.Tensor) => tensorFlowBackend().getDTypeInteger(leaf.dtype);
  return leaves.map((leaf) => {
    let id = graph.asKnown(graphId(leaf));
    if (taken.has(id)) id = graph.addOperation('Identity', [], [id])[0]!.id;
    taken.add(id);
    return { id, dtype: dtypeOf(leaf), shape: leaf.shape };
  });
}

function describe(value: unknown, path: string, leaves: tf.Tensor[]): Structure {
  if (value instanceof tf.Tensor) {
    leaves.push(value);
    return null;
  }
  if (Array.isArray(value)) return value.map((child, i) => describe(child, `${path}[${i}]`, leaves));
  if (isPlainObject(value)) {
    const children = Object.entries(value).filter(([, child]) => child !== undefined); // as good as absent, as in any Tree
    return Object.fromEntries(children.map(([key, child]) => [key, describe(child, `${path}.${key}`, leaves)]));
  }
  throw new CompileError(`compile: ${path} is ${nameKind(value)}; expected a tensor, or an array or object of tensors`);
}

function nameKind(value: unknown): string {
  if (value instanceof Promise) return 'a promise: the function must not be async';
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? `a ${value.constructor?.name}` : `${typeof value} ${String(value)}`;
}

export const serializeGraph = (graph: Graph): Buffer => nativeBinding().serializeGraph(graph.handle);
