import type { z } from 'zod';
import type { LossTerm } from './loss-terms.ts';
import type { Objective } from './objective.ts';

/** All that there is to know of a kind of objective; configs, counts, samplers, figures and tests read it here. */
export interface ObjectiveKind<Schema extends z.ZodObject = z.ZodObject> {
  /** Its name in configs. */
  kind: z.output<Schema> extends { kind: infer Kind extends string } ? Kind : string;
  /** Its name in figures and tables. */
  name: string;
  /** Its spec: `kind`, and the options with their ranges, their defaults and what they mean. */
  schema: Schema;
  /** The residuals that its loss has, all switches on. */
  terms: readonly LossTerm[];
  /** Whether a network learns to jump from t to any s < t, so that few steps are enough; others know velocities alone. */
  learnsJumps: boolean;
  /** The objective of a spec with its defaults filled in. Throws if options do not go together. */
  create(spec: z.output<Schema>): Objective;
}
