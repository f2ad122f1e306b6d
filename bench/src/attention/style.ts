import { ATTENTION_KINDS } from '@eflow/attention';
import type { Kind } from './workload.ts';

/** Okabe and Ito's colours, which the colour-blind tell apart, but for one that is PyTorch's; in the order of the kinds. */
const COLORS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#000000', '#e69f00', '#f0e442'];

export const KIND_COLORS = byKind((_record, i) => COLORS[i % COLORS.length]!);

/** For people. */
export const KIND_NAMES = byKind(({ name }) => name);

function byKind(
  value: (record: (typeof ATTENTION_KINDS)[number], i: number) => string,
): Readonly<Record<Kind, string>> {
  return Object.fromEntries(ATTENTION_KINDS.map((record, i) => [record.kind, value(record, i)])) as Record<
    Kind,
    string
  >;
}
