import type { z } from 'zod';
import type { Objective } from './objective.ts';

/** A residual of a loss, whose plain mean square the loss reports. */
export interface Term {
  /** In logs, tables and results. */
  name: `${string}Loss`;
  /** Where there is little room. */
  short: string;
  /** Over charts. */
  label: string;
}

/** All that there is to know of a kind of objective; configs, counts, samplers, figures and tests read it here. */
export interface ObjectiveKind<Schema extends z.ZodObject = z.ZodObject> {
  /** Its name in configs. */
  kind: z.output<Schema> extends { kind: infer Kind extends string } ? Kind : string;
  /** Its name in figures and tables. */
  name: string;
  /** Its spec: `kind`, and the options with their ranges, their defaults and what they mean. */
  schema: Schema;
  /** The residuals that its loss has, all switches on, in the order in which they are shown. */
  terms: readonly Term[];
  /** Whether a network learns to jump from t to any s < t, so that few steps are enough; others know velocities alone. */
  learnsJumps: boolean;
  /** The objective of a spec with its defaults filled in. Throws if options do not go together. */
  create(spec: z.output<Schema>): Objective;
}
