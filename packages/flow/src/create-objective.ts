import { createStream, refuseUnknownKeys } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { flowMatchingKind } from './flow-matching.ts';
import { meanFlowKind } from './mean-flow.ts';
import type { Network } from './network.ts';
import type { Objective, Pass } from './objective.ts';
import type { ObjectiveKind } from './objective-kind.ts';
import { eflowKind, solutionFlowKind } from './solution-flow.ts';
import { splitMeanFlowKind } from './split-mean-flow.ts';

/** Every kind of objective, in the order of figures and tables. */
export const OBJECTIVES = [flowMatchingKind, solutionFlowKind, eflowKind, meanFlowKind, splitMeanFlowKind] as const;

/** The residuals that objectives have, in the order of logs, tables and charts. */
export const LOSS_TERMS = [
  ...new Set(OBJECTIVES.flatMap<(typeof OBJECTIVES)[number]['terms'][number]>(({ terms }) => terms)),
];

/** The name of a residual. */
export type LossTerm = (typeof LOSS_TERMS)[number]['name'];

type Schemas<Kinds> = { [I in keyof Kinds]: Kinds[I] extends { schema: infer Schema } ? Schema : never };

/** An objective as data, for configs: of each kind its own options, with their defaults. */
export const objectiveSchema = z.discriminatedUnion(
  'kind',
  OBJECTIVES.map(({ schema }) => schema) as unknown as Schemas<typeof OBJECTIVES>,
);

/** An objective as data; options that are absent have their defaults. */
export type ObjectiveSpec = z.input<typeof objectiveSchema>;

/** The objective where none is named: EFlow's own. */
export const DEFAULT_OBJECTIVE = { kind: 'eflow' } as const satisfies ObjectiveSpec;

/** The record of a kind. */
export const objectiveKind = (kind: ObjectiveSpec['kind']): ObjectiveKind =>
  OBJECTIVES.find((record) => record.kind === kind) as ObjectiveKind;

/**
 * The objective that a spec describes, EFlow's own unless given. Throws on an unknown option, naming the nearest, and on one
 * that is out of range.
 */
export function createObjective(spec: ObjectiveSpec = DEFAULT_OBJECTIVE): Objective {
  const { data, error } = objectiveSchema.safeParse(spec);
  if (data) return objectiveKind(data.kind).create(data);
  for (const issue of error.issues) if (issue.code === 'unrecognized_keys') refuseUnknownAt(spec, issue.path);
  throw new Error(`createObjective: ${z.prettifyError(error)}`);
}

/** Throws on an unknown option in the section of the spec that is at `path`, and names the nearest. */
function refuseUnknownAt(spec: ObjectiveSpec, path: readonly PropertyKey[]): void {
  let schema: z.ZodType = objectiveKind(spec.kind).schema;
  let options: unknown = spec;
  for (const key of path as readonly string[]) {
    schema = sectionSchema((schema as z.ZodObject).shape[key] as z.ZodType);
    options = (options as Record<string, unknown>)[key];
  }
  refuseUnknownKeys(
    ['createObjective', ...path].join(': '),
    options as object,
    Object.keys((schema as z.ZodObject).shape),
  );
}

/** The schema of a section's keys, out of its default, of a choice of forms and of what is made of it. */
function sectionSchema(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault)
    return sectionSchema(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodPipe) return sectionSchema(schema.in as z.ZodType);
  if (schema instanceof z.ZodUnion) return schema.options.find((one) => one instanceof z.ZodObject) as z.ZodType;
  return schema;
}

/**
 * The network passes of one training step on `batchSize` examples at the schedule's end, counted by running the loss on one
 * number per example with a network of nothing; without `trainsJumps` those of a step that trains the velocity alone, where the
 * objective has such steps. Throws if the batch is too small for the objective's rows.
 */
export function countPasses(
  objective: Objective,
  batchSize: number,
  { trainsJumps = true }: { trainsJumps?: boolean } = {},
): Pass[] {
  return tf.tidy(() => {
    const nothing: Network = ({ noisy }) => tf.zerosLike(noisy);
    const schedule = objective.scheduleAt(1);
    const draws = objective.draw(createStream(0), [batchSize, 1], schedule, trainsJumps);
    const batch = {
      data: tf.zeros([batchSize, 1]),
      condition: tf.zeros([batchSize], 'int32'),
      nullCondition: tf.ones([batchSize], 'int32'),
    };
    return objective.loss({ strong: nothing, weak: nothing }, batch, draws, schedule).passes;
  });
}
