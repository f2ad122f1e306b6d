import type { Tree } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { bfloat16Support } from '../bfloat16.ts';
import { type Argument, fillPlaces, flattenArguments } from './arguments.ts';
import { isOnTensorFlow, tensorFlowBackend } from './binding.ts';
import { type Callee, callFunction } from './call-kernel.ts';
import { registerFunction } from './registered-function.ts';
import { type Structure, serializeGraph, trace } from './trace.ts';
import { currentGraph } from './trace-backend.ts';

export interface CompileOptions {
  /** Compile with XLA instead of TensorFlow's own graph optimiser. */
  readonly xla?: boolean;
  /**
   * `bf16` multiplies matrices in bfloat16, with float32 results; everything else stays float32. Where the device has no
   * bfloat16 this is said once, and float32 is used.
   */
  readonly precision?: 'float32' | 'bf16';
  /** Tensors that the function uses but is not given: stored if small (`const`), or an error (`refuse`). */
  readonly captures?: 'const' | 'refuse';
  /** Graphs kept at a time, one for each signature; the one used longest ago is freed. */
  readonly maxSignatures?: number;
  /** For messages; the function's own name unless given. */
  readonly name?: string;
}

/** What one graph holds. */
export interface GraphDescription {
  readonly operations: number;
  /** The size of the serialised graph. */
  readonly bytes: number;
  /** Multiplications and additions in the matrix products of one call. */
  readonly matmulFlops: number;
}

export interface Compiled<Args extends unknown[], Result extends Tree> {
  (...args: Args): Result;
  /** The graph for these arguments; traces if there is none yet. Undefined on backends that do not compile. */
  describe(...args: Args): GraphDescription | undefined;
  /** Frees the graphs; a later call compiles again. */
  dispose(): void;
}

interface CompiledGraph extends Callee {
  readonly structure: Structure;
  readonly description: GraphDescription;
  readonly args: readonly Argument[];
}

/** Calls in a row that trace before it is said. */
const MISSES_BEFORE_WARNING = 8;

/** Frees the graphs of compiled functions that are garbage. */
const garbage = new FinalizationRegistry<Map<string, CompiledGraph>>((graphs) => releaseAll(graphs));

/**
 * `fn` as one TensorFlow graph. The first call with a new signature (structure, shapes and types of the tensors, values
 * of everything else) traces: `fn` runs once on tensors without values, and the ops that it asks for, those of gradients
 * included, become a graph that TensorFlow optimises; later calls run the graph. Arguments are tensors, numbers, strings
 * and booleans in arrays and plain objects; the result is tensors in arrays and objects, owned by the caller.
 *
 * The gradient of a compiled function is not defined: take gradients inside. A compiled function that another one calls
 * becomes part of its graph; with `xla` it is a part that XLA compiles while TensorFlow runs the rest. On other backends
 * than TensorFlow's own the result is `fn`'s own.
 *
 * Throws a CompileError, which names the op and the line, if `fn` reads values, has side effects or results of a shape
 * that depends on values, draws random numbers from no argument, uses a large array or a large tensor from outside or a
 * disposed one, disposes of its argument, or returns anything but tensors; a TypeError for other arguments.
 */
export function compile<Args extends unknown[], Result extends Tree>(
  fn: (...args: Args) => Result,
  options: CompileOptions = {},
): Compiled<Args, Result> {
  const { xla = false, precision = 'float32', captures = 'const', maxSignatures = 32 } = options;
  if (!(maxSignatures >= 1)) throw new Error(`compile: maxSignatures is ${maxSignatures}; expected at least 1`);
  const name = options.name ?? (fn.name || 'function');
  const graphs = new Map<string, CompiledGraph>();
  let misses = 0;

  /** The graph for these arguments, traced if it is not there. */
  function findGraph(args: Args): { graph: CompiledGraph; tensors: tf.Tensor[] } {
    const { signature, tensors, args: leaves } = flattenArguments(args);
    let graph = graphs.get(signature);
    if (graph) {
      misses = 0;
      graphs.delete(signature); // to the end: the first is the one used longest ago
    } else {
      const latest = [...graphs.values()].at(-1);
      if (latest && ++misses === MISSES_BEFORE_WARNING) warnOfMisses(name, latest.args, leaves);
      graph = build(args, leaves, tensors);
    }
    graphs.set(signature, graph);
    for (const [oldest, old] of graphs) {
      if (graphs.size <= maxSignatures) break;
      graphs.delete(oldest);
      old.registered.release();
    }
    return { graph, tensors };
  }

  function build(args: Args, leaves: readonly Argument[], tensors: readonly tf.Tensor[]): CompiledGraph {
    const call = (placeholders: tf.Tensor[]) => fn(...(fillPlaces(args, isTensor, placeholders) as Args));
    const { graph, inputs, outputs, structure } = trace(call, tensors, {
      captures,
      bfloat16: precision === 'bf16' && hasBfloat16(),
      xla,
      embed: false,
    });
    const ids = outputs.map(({ id }) => id);
    const registered = registerFunction(graph, { label: name, inputs, outputs: ids, xla });
    const { operations, matmulFlops } = graph;
    const description = { operations, matmulFlops, bytes: serializeGraph(graph).length };
    graph.dispose();
    return { registered, outputs, structure, description, args: leaves };
  }

  function call(...args: Args): Result {
    const outer = currentGraph();
    const isXlaPart = xla && outer !== undefined && !outer.options.xla && !outer.options.embed;
    // On other backends there is nothing to compile; within another function's trace this one becomes part of it.
    if (!isXlaPart && !isOnTensorFlow()) return fn(...args);
    const { graph, tensors } = findGraph(args);
    return fillPlaces(graph.structure, (node) => node === null, callFunction(graph, tensors)) as Result;
  }

  garbage.register(call, graphs);
  return Object.assign(call, {
    describe: (...args: Args) => (isOnTensorFlow() ? findGraph(args).graph.description : undefined),
    dispose: () => releaseAll(graphs),
  });
}

const isTensor = (value: unknown): boolean => value instanceof tf.Tensor;

let bfloat16: boolean | undefined;

/** Asked once per process; says so if the answer is no. */
function hasBfloat16(): boolean {
  if (bfloat16 === undefined) {
    const { supported, by } = bfloat16Support(tensorFlowBackend().isUsingGpuDevice ? 'gpu' : 'cpu');
    bfloat16 = supported;
    if (!supported) {
      const message = `compile: precision 'bf16' needs hardware for it, and this is ${by}: using float32, which is faster here.`;
      process.emitWarning(message, { code: 'EFLOW_NO_BFLOAT16' });
    }
  }
  return bfloat16;
}

function releaseAll(graphs: Map<string, CompiledGraph>): void {
  for (const { registered } of graphs.values()) registered.release();
  graphs.clear();
}

function warnOfMisses(name: string, before: readonly Argument[], now: readonly Argument[]): void {
  const keys = (args: readonly Argument[]) => new Map(args.map(({ path, key }) => [path, key]));
  const [was, is] = [keys(before), keys(now)];
  const changed = [...is.keys(), ...was.keys()].find((path) => was.get(path) !== is.get(path))!;
  process.emitWarning(
    `compile: ${name} was traced anew in each of its last ${MISSES_BEFORE_WARNING} calls, which costs more than it saves. ` +
      `${changed} was ${was.get(changed) ?? 'absent'} and is now ${is.get(changed) ?? 'absent'}: pass a number that changes as tf.scalar, and keep shapes the same.`,
    { code: 'EFLOW_COMPILE_MISSES' },
  );
}
