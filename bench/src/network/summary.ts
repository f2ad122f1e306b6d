import type { Kind } from '../attention/workload.ts';
import type { EntryReport } from './entry-report.ts';

/** A ratio of medians at one number of tokens, of a network whose middle sees a share of them. */
export interface Ratio {
  tokens: number;
  kind: Kind;
  keepRatio: number;
  value: number;
}

/** What the measurements show of the compiled network. */
export interface Summary {
  /** Steps in a second with tokens dropped, over dense. */
  dropSpeedup: Ratio[];
  /** Time of the weak path over that of a forward pass. */
  weakShare: Ratio[];
  /** torch.compile's step over ours. */
  stepOverTorchCompile: Ratio[];
  /** Softmax's dense step over GLGA's, dense and with tokens dropped; and the same of the forward pass, which is dense. */
  backboneStep: Ratio[];
  backboneForward: Ratio[];
  /**
   * What the graph of a compiled step has fewer of matrix products with tokens dropped, over those of the dropped tokens in
   * the middle's linear layers: 1 where the middle runs on the tokens that are kept, more where attention is composed of
   * products too.
   */
  lostProducts: Ratio[];
}

export function summariseNetworks(all: readonly EntryReport[]): Summary {
  const entries = all.filter(({ name }) => name === 'compiled');
  const median = (entry: EntryReport, run: 'forward' | 'weak' | 'step') => entry[run]?.summary.median;
  const findDense = (tokens: number, kind: Kind) =>
    entries.find((entry) => entry.tokens === tokens && entry.kind === kind && entry.keepRatio === 1);
  const ratios = (chosen: readonly EntryReport[], ratio: (entry: EntryReport) => number | undefined): Ratio[] =>
    chosen.flatMap((entry) => {
      const { tokens, kind, keepRatio } = entry;
      const value = ratio(entry);
      return value === undefined ? [] : [{ tokens, kind, keepRatio, value }];
    });
  const over = (a: number | undefined, b: number | undefined) => a && b && a / b;

  const dropped = entries.filter(({ keepRatio }) => keepRatio < 1);
  const dense = entries.filter(({ keepRatio }) => keepRatio === 1);
  const glga = entries.filter(({ kind }) => kind === 'glga');
  const overSoftmax = (entry: EntryReport, run: 'forward' | 'step') => {
    const softmax = findDense(entry.tokens, 'softmax');
    return softmax && over(median(softmax, run), median(entry, run));
  };
  return {
    dropSpeedup: ratios(dropped, (entry) => {
      const whole = findDense(entry.tokens, entry.kind);
      return whole && over(median(whole, 'step'), median(entry, 'step'));
    }),
    weakShare: ratios(dense, (entry) => over(median(entry, 'weak'), median(entry, 'forward'))),
    stepOverTorchCompile: ratios(entries, (entry) => entry.step?.timesTorchCompile),
    backboneStep: ratios(glga, (entry) => overSoftmax(entry, 'step')),
    backboneForward: ratios(
      glga.filter(({ keepRatio }) => keepRatio === 1),
      (entry) => overSoftmax(entry, 'forward'),
    ),
    lostProducts: ratios(dropped, (entry) => {
      const whole = findDense(entry.tokens, entry.kind);
      if (!entry.graph || !whole?.graph) return undefined;
      return (whole.graph.matmulFlops - entry.graph.matmulFlops) / (whole.middleFlops - entry.middleFlops);
    }),
  };
}
