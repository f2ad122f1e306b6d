import { withDefaults } from '@eflow/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import type { AttentionInputs } from './inputs.ts';
import type { Head } from './oracle.ts';
import type { Grid } from './tiles.ts';

/**
 * An input that a network learns for a kind in every block, beside q, k and v. Both forms start at zero:
 * - 'gate': a linear layer [E, N] of the block's tokens, whose sigmoid is the input [B, N, L, 1], in (0, 1);
 * - 'projection': the input itself, [D, D], of inputs to outputs, shared by the heads.
 */
export interface LearnedInput {
  form: 'gate' | 'projection';
  /** What its parameters are named in the block, and so in checkpoints. */
  as: string;
}

/** The shape of a learned input of heads [B, N, L, D]. */
export const learnedShape = (
  form: LearnedInput['form'],
  [B, N, L, D]: readonly [B: number, N: number, L: number, D: number],
): number[] => (form === 'gate' ? [B, N, L, 1] : [D, D]);

/** Multiplications of one head in the matrix products of a definition: over pairs of tokens, and linear in the tokens. */
export interface Products {
  pairs?: number;
  linear?: number;
}

/** L and D of q, k and v [B, N, L, D], and the grid that the tokens are on, if they are on one. */
export interface HeadSizes {
  length: number;
  headDim: number;
  grid?: Grid | undefined;
}

/** The tokens that training has: those of a clip, and the share of them that the middle of the network keeps, in (0, 1]. */
export interface TrainingTokens {
  grid: Grid;
  keepRatio: number;
}

/**
 * All that there is to know of a kind of attention; what runs, counts, checks or draws attention reads it here. `Learned`
 * names the inputs that it learns. A spec that a member is given has its defaults filled in.
 */
export interface AttentionKind<Schema extends z.ZodObject = z.ZodObject, Learned extends string = never> {
  /** Its name in configs. */
  kind: z.output<Schema> extends { kind: infer Kind extends string } ? Kind : string;
  /** Its name in figures and tables. */
  name: string;
  /** Its spec: `kind`, and the options with their defaults and what they mean. */
  schema: Schema;
  /** Specs that show what it can do on some tens of tokens, for tests of all kinds. */
  examples: readonly z.input<Schema>[];
  /** What networks learn for it, by the name of the input. */
  learns: Readonly<Record<Learned, LearnedInput>>;
  /** The kernel: q, k, v [B, N, L, D] -> [B, N, L, D], owned by the caller. Throws if shapes disagree or an option cannot be. */
  attend(
    inputs: AttentionInputs & { grid?: Grid },
    spec: z.output<Schema>,
    learned: Readonly<Record<Learned, tf.Tensor>>,
  ): tf.Tensor;
  /** The same of one head as the sums that define it, in float64: L rows of D. A gate has L numbers, a projection D D. */
  oracle(
    head: Head,
    spec: z.output<Schema>,
    learned: Readonly<Record<Learned, number[]>>,
    grid: Grid | undefined,
  ): number[][];
  /** The products of the definition, whatever the kernel does. Throws, as the kernel does, if an option cannot be. */
  products(spec: z.output<Schema>, sizes: HeadSizes): Products;
  /** Throws, naming the option, if training on these tokens cannot have the spec. */
  check?(spec: z.output<Schema>, tokens: TrainingTokens): void;
}

/** Any kind, whatever its options and inputs. */
export type AnyAttentionKind = AttentionKind<z.ZodObject, string>;

/** A positive integer, as an option. */
export const count = z.int().min(1);

/** A spec with the defaults of what it leaves out; values are not checked. Throws, naming the nearest, on an unknown option. */
export function fillIn<Schema extends z.ZodObject>(
  where: string,
  schema: Schema,
  spec: { kind: string },
): z.output<Schema> {
  const defaults = Object.entries(schema.shape).flatMap(([key, option]) =>
    option instanceof z.ZodDefault ? [[key, option.def.defaultValue]] : [],
  );
  const { kind, ...options } = spec;
  const known = Object.keys(schema.shape).filter((key) => key !== 'kind');
  return { kind, ...withDefaults(where, options, Object.fromEntries(defaults), known as never[]) } as z.output<Schema>;
}
