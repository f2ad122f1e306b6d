import { readFileSync } from 'node:fs';
import { createStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { toyBatch, toyNetworks, toyParams } from '../fixtures/toy-network.ts';
import { countPasses, createObjective, OBJECTIVES, type ObjectiveSpec, objectiveKind } from './create-objective.ts';
import type { Objective } from './objective.ts';
import { eflowKind } from './solution-flow.ts';

type Kind = ObjectiveSpec['kind'];
const createWith = (kind: Kind, change = {}) => createObjective({ kind, ...change } as ObjectiveSpec);

describe('createObjective', () => {
  it.each(OBJECTIVES)('makes $kind of a spec, with its defaults', ({ kind, schema, create }) => {
    const lossOf = (objective: Objective) => {
      const batch = toyBatch(8);
      const schedule = objective.scheduleAt(0.7);
      const draws = objective.draw(createStream(1), batch.data.shape, schedule);
      return objective.loss(toyNetworks(toyParams()), batch, draws, schedule).lossPerExample;
    };
    const spec = schema.parse({ kind });
    expectClose(lossOf(createObjective({ kind })), lossOf((create as (all: object) => Objective)(spec)), {
      rtol: 0,
      atol: 0,
    });
  });

  it.each<[string, object, string]>([
    ['a kind that there is not', { kind: 'ddpm' }, 'Invalid discriminator value'],
    [
      'an option of another kind',
      { kind: 'flowMatching', additivityWeight: 1 },
      "unknown option 'additivityWeight'; did you mean",
    ],
    ['an option out of range', { kind: 'eflow', guidanceScale: 0.5 }, 'at guidanceScale'],
    ...[{ min: 2 }, 'high', [1, 4]].map((guidanceScale): [string, object, string] => [
      `a range of scales that is none: ${JSON.stringify(guidanceScale)}`,
      { kind: 'eflow', guidanceScale },
      'expected a number of at least 1, or a range from at least 1, such as { min: 1, max: 4, default: 2 }',
    ]),
    ['a scale below none', { kind: 'eflow', guidanceScale: { min: 0.5, max: 2 } }, 'at guidanceScale.min'],
    ['a range of no guidance alone', { kind: 'eflow', guidanceScale: { max: 1 } }, 'at guidanceScale.max'],
    [
      'a misspelt end of a range',
      { kind: 'eflow', guidanceScale: { max: 2, mn: 1 } },
      "guidanceScale: unknown option 'mn'; did you mean 'min'? Options: min, max, default",
    ],
    ...[
      { min: 3, max: 2 },
      { max: 2, default: 3 },
      { min: 2, max: 3, default: 1 },
    ].map((guidanceScale): [string, object, string] => [
      `a range out of order: ${JSON.stringify(guidanceScale)}`,
      { kind: 'meanFlow', guidanceScale },
      'expected min <= default <= max, such as { min: 1, max: 4, default: 2 }',
    ]),
    ['a step for which there is no room', { kind: 'meanFlow', differenceStep: 0.5 }, 'at differenceStep'],
  ])('refuses %s', (_case, spec, message) => {
    expect(() => createObjective(spec as ObjectiveSpec)).toThrow(/^createObjective: /);
    expect(() => createObjective(spec as ObjectiveSpec)).toThrow(message);
  });

  it('fills a range of scales in: from 1, and by default the middle of the logarithm', () => {
    const parse = (guidanceScale: object) => eflowKind.schema.parse({ kind: 'eflow', guidanceScale }).guidanceScale;
    expect(parse({ max: 4 })).toEqual({ min: 1, max: 4, default: 2 });
    expect(parse({ min: 2, max: 8 })).toEqual({ min: 2, max: 8, default: 4 });
    expect(parse({ max: 4, default: 3 })).toEqual({ min: 1, max: 4, default: 3 });
    expect(parse(parse({ max: 3 }) as object)).toEqual(parse({ max: 3 }));
  });

  it('hands the options of the spec on', () => {
    const at = (guidanceScale: number) => createWith('eflow', { guidanceScale }).scheduleAt(1).guidanceScale;
    expect([at(2), at(5)]).toEqual([2, 5]);
  });
});

describe('countPasses', () => {
  it('leaves no tensor', () => {
    const objective = createWith('eflow');
    countPasses(objective, 8);
    const before = tf.memory().numTensors;
    countPasses(objective, 8);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('counts at the end of the schedule, where guidance is full', () => {
    const objective = createWith('eflow', { guidanceWarmup: 1 });
    expect(countPasses(objective, 8).filter(({ network }) => network === 'weak')).toHaveLength(1);
  });

  it('refuses a batch that has not a row of each kind', () => {
    expect(() => countPasses(createWith('eflow'), 1)).toThrow('a batch of 1');
    expect(countPasses(createWith('flowMatching'), 1)).toEqual([{ network: 'strong', gradient: true, rows: 1 }]);
  });
});

describe("the README's table of passes", () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  // | `eflow`, `additivityWeight: 0` | calls | strong with gradient | strong without | weak |
  const rows = [...readme.matchAll(/^\| `(\w+)`((?:, `\w+: [^`]+`)*) \|((?: [\d.]+ \|){4})$/gm)].map(
    ([, kind, changes, numbers]) => ({
      kind: kind as Kind,
      change: Object.fromEntries(
        [...changes!.matchAll(/`(\w+): ([^`]+)`/g)].map(([, key, value]) => [
          key,
          JSON.parse(value!.replaceAll("'", '"')),
        ]),
      ),
      numbers: [...numbers!.matchAll(/[\d.]+/g)].map(Number),
    }),
  );

  it('has every objective', () => {
    expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(OBJECTIVES.map((one) => one.kind)));
    expect(rows.length).toBeGreaterThan(10);
  });

  it.each(rows)('is right about $kind, $change', ({ kind, change, numbers }) => {
    for (const key of Object.keys(change)) expect(objectiveKind(kind).schema.shape).toHaveProperty(key);
    const passes = countPasses(createWith(kind, change), 100);
    const batches = (network: string, gradient: boolean) =>
      passes
        .filter((pass) => pass.network === network && pass.gradient === gradient)
        .reduce((n, { rows }) => n + rows, 0) / 100;
    expect(numbers).toEqual([passes.length, batches('strong', true), batches('strong', false), batches('weak', false)]);
  });
});
