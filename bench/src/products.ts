import type { Child, Request } from './child.ts';
import { type Failure, type Precision, RUNTIME_NAMES, type Runtime } from './contestant.ts';
import { summarise } from './statistics.ts';
import { type Pauses, pause, takeTurn } from './turn.ts';

/** Rows and columns: large enough for the full rate, small enough for every round, 17 GFLOP. */
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

/** Those that can multiply here, after a first product; the others become `failures`. */
export async function warmUpMultipliers(
  children: ReadonlyMap<Runtime, Child<Request<ProductRun>>>,
  precisions: readonly Precision[],
  size: number,
  failures: Failure[],
): Promise<Multiplier[]> {
  const multipliers: Multiplier[] = [];
  for (const [runtime, child] of children) {
    for (const precision of precisions) {
      await child.ask({ run: `gemm-${precision}` }).then(
        () => multipliers.push({ runtime, precision, size, child }),
        (error: Error) =>
          failures.push({ label: `${precision} products (${RUNTIME_NAMES[runtime]})`, reason: error.message }),
      );
    }
  }
  return multipliers;
}

/** A turn of each; adds to the timings, which are in the same order. */
export async function takeProductTurns(
  multipliers: readonly Multiplier[],
  timings: readonly ProductTiming[],
  turnSeconds: number,
  pauses: Pauses,
): Promise<void> {
  for (const [i, { precision, child }] of multipliers.entries()) {
    await pause(pauses);
    timings[i]!.seconds.push(...(await takeTurn(child, { run: `gemm-${precision}` }, turnSeconds)));
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
