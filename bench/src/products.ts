import type { Child, Request } from './child.ts';
import { type Failure, type Precision, RUNTIME_NAMES, type Runtime } from './contestant.ts';
import { summarise } from './statistics.ts';

/** Rows and columns of the plain products: large enough for the full rate, small enough for every round, 17 GFLOP. */
export const PRODUCT_SIZE = 2048;

export type ProductRun = 'gemm-float32' | 'gemm-bf16';

/** A process that multiplies large square matrices. */
export interface Multiplier {
  runtime: Runtime;
  precision: Precision;
  /** Rows and columns. */
  size: number;
  child: Child<Request<ProductRun>>;
}

/** What it took, in the rounds of one group. */
export interface ProductTiming {
  runtime: Runtime;
  precision: Precision;
  size: number;
  seconds: number[];
}

export interface ProductReport extends ProductTiming {
  flopsPerSecond: number;
}

/**
 * Calls `use` with those that can multiply here, after a first product, in a process of TensorFlow and of each contestant's runtime;
 * the others become `failures`.
 */
export async function withMultipliers<Result>(
  {
    contestants,
    start,
    precisions,
    size,
  }: {
    contestants: readonly { runtime: Runtime }[];
    start: (runtime: Runtime) => Child<Request<ProductRun>>;
    precisions: readonly Precision[];
    size: number;
  },
  failures: Failure[],
  use: (multipliers: readonly Multiplier[]) => Promise<Result>,
): Promise<Result> {
  const runtimes = new Set<Runtime>(['tensorflow', ...contestants.map(({ runtime }) => runtime)]);
  const children = [...runtimes].map((runtime) => ({ runtime, child: start(runtime) }));
  const multipliers: Multiplier[] = [];
  try {
    for (const { runtime, child } of children) {
      for (const precision of precisions) {
        await child.ask({ run: `gemm-${precision}` }).then(
          () => multipliers.push({ runtime, precision, size, child }),
          (error: Error) =>
            failures.push({ label: `${precision} products (${RUNTIME_NAMES[runtime]})`, reason: error.message }),
        );
      }
    }
    return await use(multipliers);
  } finally {
    await Promise.all(children.map(({ child }) => child.stop()));
  }
}

/** The rates of those that were measured. */
export const rateProducts = (timings: readonly ProductTiming[]): ProductReport[] =>
  timings
    .filter(({ seconds }) => seconds.length > 0)
    .map((timing) => ({ ...timing, flopsPerSecond: (2 * timing.size ** 3) / summarise(timing.seconds).median }));

/** The best rate in a precision: the limit that shares are of. Undefined if there is none. */
export function findLimit(products: readonly ProductReport[], precision: Precision): number | undefined {
  const rates = products.filter((product) => product.precision === precision).map((p) => p.flopsPerSecond);
  return rates.length === 0 ? undefined : Math.max(...rates);
}
