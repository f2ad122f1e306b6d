import type { Term } from './objective-kind.ts';
import type { Weighting } from './options.ts';
import { meanSquare, type ResidualLoss, weightedSquare } from './residuals.ts';
import { type SolutionMap, semigroupDefect } from './solution-map.ts';

export const ADDITIVITY_LOSS = {
  name: 'additivityLoss',
  short: 'mva',
  label: 'Mean-velocity additivity',
} as const satisfies Term;

/** L_mva: one long jump against the two short ones that it is split into, as `semigroupDefect` takes them. */
export function additivityTerm(
  values: Parameters<typeof semigroupDefect>[0],
  times: Parameters<typeof semigroupDefect>[1],
  options: Weighting & { map: SolutionMap },
): ResidualLoss {
  const defect = semigroupDefect(values, times, options.map);
  return { lossPerExample: weightedSquare(defect, options), meanSquare: meanSquare(defect) };
}
