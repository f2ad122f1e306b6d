import { type GraphHandle, nativeBinding } from './binding.ts';

/** A function of TensorFlow's eager context, which executeOp runs by its name. */
export interface RegisteredFunction {
  readonly name: string;
  /** Ends one use; the last one removes the function. */
  release(): void;
  /** Begins another use, which is ended by `release`. */
  retain(): void;
}

let count = 0;

/** Registers a graph as a function. It is in use once, and ends the graph's use of all that it calls when it is removed. */
export function registerFunction(
  graph: { readonly handle: GraphHandle; readonly callees: ReadonlySet<RegisteredFunction> },
  options: { label: string; inputs: readonly number[]; outputs: readonly number[]; xla: boolean },
): RegisteredFunction {
  const { inputs, outputs, xla } = options;
  const binding = nativeBinding();
  const name = `eflow_${options.label.replace(/\W/g, '_')}_${count++}`;
  binding.registerFunction(graph.handle, name, [...inputs], [...outputs], xla);
  const callees = [...graph.callees];
  let uses = 1;
  return {
    name,
    retain() {
      uses++;
    },
    release() {
      if (--uses > 0) return;
      binding.removeFunction(name);
      for (const callee of callees) callee.release();
    },
  };
}
