import { readFileSync } from 'node:fs';
import { createStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { toyBatch, toyNetworks, toyParams } from '../fixtures/toy-network.ts';
import { countPasses, createObjective, OBJECTIVES, type ObjectiveSpec, objectiveKind } from './create-objective.ts';
import type { Objective } from './objective.ts';

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
    ['a step for which there is no room', { kind: 'meanFlow', differenceStep: 0.5 }, 'at differenceStep'],
  ])('refuses %s', (_case, spec, message) => {
    expect(() => createObjective(spec as ObjectiveSpec)).toThrow(/^createObjective: /);
    expect(() => createObjective(spec as ObjectiveSpec)).toThrow(message);
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
