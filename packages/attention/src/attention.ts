import { explain } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { gatedLocalGlobalKind } from './gated-local-global.ts';
import type { AttentionInputs } from './inputs.ts';
import { type AnyAttentionKind, fillIn, type LearnedInput } from './kind.ts';
import { linearKind } from './linear.ts';
import { cutRows } from './oracle.ts';
import { slidingWindowKind } from './sliding-window.ts';
import { softmaxKind } from './softmax.ts';
import { sparseLinearKind } from './sparse-linear.ts';
import type { Grid } from './tiles.ts';

/** Every kind of attention. */
export const ATTENTION_KINDS = [
  softmaxKind,
  linearKind,
  slidingWindowKind,
  sparseLinearKind,
  gatedLocalGlobalKind,
] as const;

type Kinds = typeof ATTENTION_KINDS;
type SchemasOf<Listed extends readonly AnyAttentionKind[]> = { [I in keyof Listed]: Listed[I]['schema'] };
type Learned<Kind = Kinds[number]> = Kind extends { learns: infer Inputs } ? keyof Inputs : never;

/** Which attention, with its options; those that have a default may be absent. */
export type AttentionSpec = z.input<Kinds[number]['schema']>;

/** The schema of a spec, which fills in defaults: the section of a config. */
export const attentionSchema = z.discriminatedUnion(
  'kind',
  ATTENTION_KINDS.map(({ schema }) => schema) as unknown as SchemasOf<Kinds>,
);

/** What some kinds take besides q, k and v; the others leave it aside. Their `learns` says what each input is. */
export type KindInputs = { [Name in Learned]?: tf.Tensor | undefined } & {
  /** Frames, rows and columns of the tokens, for 'local' with a window [f, h, w]. */
  grid?: Grid;
};

/** Inputs of the oracle as plain numbers, row-major. */
export type OracleInputs = { [Name in Learned]?: number[] } & {
  /** q, k and v: [B, N, L, D]. */
  q: number[];
  k: number[];
  v: number[];
  /** [L, D], or [B, L, D] for tokens kept per example. */
  cos?: number[];
  sin?: number[];
  grid?: Grid;
};

/** The record of a spec's kind among `kinds`. Throws if it is not there. */
export function attentionKind(
  spec: { kind: string },
  kinds: readonly AnyAttentionKind[] = ATTENTION_KINDS,
): AnyAttentionKind {
  const found = kinds.find(({ kind }) => kind === spec.kind);
  if (found) return found;
  const expected = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(kinds.map(({ kind }) => kind));
  throw new Error(`attention: unknown kind in ${JSON.stringify(spec)}; expected ${expected}`);
}

/**
 * Runs the kernel that `spec` names among `kinds` on q, k, v [B, N, L, D]. Returns [B, N, L, D], owned by the caller.
 * Throws if shapes disagree, an option cannot be or is unknown, the kind is unknown, or an input that it needs is missing.
 */
export function attention(
  spec: AttentionSpec,
  inputs: AttentionInputs & KindInputs,
  kinds: readonly AnyAttentionKind[] = ATTENTION_KINDS,
): tf.Tensor {
  const kind = attentionKind(spec, kinds);
  const options = fillIn('attention', kind.schema, spec);
  return explain(() => kind.attend(inputs, options, pickLearned(kind, inputs)));
}

/**
 * Every kernel as the sums that define it, in float64 and O(L^2) loops: what the fast kernels are tested against.
 * Returns [B, N, L, D], row-major. Throws if the kind is unknown or an input that it needs is missing.
 */
export function attentionOracle(
  spec: AttentionSpec,
  [B, N, L, D]: readonly [number, number, number, number],
  inputs: OracleInputs,
  kinds: readonly AnyAttentionKind[] = ATTENTION_KINDS,
): number[] {
  const { q, k, v, cos, sin, grid } = inputs;
  const kind = attentionKind(spec, kinds);
  const learned = Object.entries(pickLearned<number[]>(kind, inputs));
  return Array.from({ length: B * N }, (_, index) => {
    const rows = (x: number[]) => cutRows(x.slice(index * L * D, (index + 1) * L * D), D);
    const perExample = cos && cos.length > L * D ? Math.floor(index / N) * L : 0;
    const turn = (row: number[], token: number) => {
      if (!cos || !sin) return row;
      const at = (perExample + token) * D;
      const half = D / 2;
      return row.map((x, d) => x * cos[at + d]! + (d < half ? -row[d + half]! : row[d - half]!) * sin[at + d]!);
    };
    const ofHead = learned.map(([name, values]) => {
      const isGate = kind.learns[name]!.form === 'gate';
      return [name, isGate ? values.slice(index * L, (index + 1) * L) : values];
    });
    const head = { queries: rows(q), keys: rows(k), values: rows(v), turn };
    return kind.oracle(head, fillIn('attention', kind.schema, spec), Object.fromEntries(ofHead), grid).flat();
  }).flat();
}

const SHAPES: Readonly<Record<LearnedInput['form'], string>> = {
  gate: '[B, N, L, 1]',
  projection: '[D, D]; zeros to begin with',
};

/** The inputs that a kind learns, by name. Throws if one is missing. */
function pickLearned<T>({ kind, learns }: AnyAttentionKind, inputs: object): Record<string, T> {
  const given = inputs as Record<string, T | undefined>;
  const picked = Object.entries(learns).map(([name, { form }]) => {
    if (given[name] === undefined) throw new Error(`attention: kind '${kind}' needs ${name} ${SHAPES[form]}`);
    return [name, given[name]];
  });
  return Object.fromEntries(picked);
}
