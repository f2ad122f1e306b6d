import type { Tree } from './tree.ts';

/** What a compiler is told of a function. */
export interface CompileHints {
  /** For messages. */
  name?: string;
  /** Whether the function is many small ops on large tensors, which XLA makes one pass over memory of. */
  xla?: boolean;
  /** Refuses tensors that the function uses but is not given, rather than to store them in the graph. */
  captures?: 'refuse';
}

/**
 * What makes a faster function of one that goes from trees to trees, such as `compile` of @eflow/engine. Numbers in the arguments
 * are part of what is compiled: other numbers are compiled anew.
 */
export type Compile = <Args extends unknown[], Result extends Tree>(
  fn: (...args: Args) => Result,
  hints?: CompileHints,
) => (...args: Args) => Result;
