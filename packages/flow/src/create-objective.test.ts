import { readFileSync } from 'node:fs';
import { createStream } from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { toyBatch, toyNetworks, toyParams } from '../fixtures/toy-network.ts';
import { countPasses, createObjective, type ObjectiveSpec } from './create-objective.ts';
import { FLOW_MATCHING_DEFAULTS, flowMatching } from './flow-matching.ts';
import { MEAN_FLOW_DEFAULTS, meanFlow } from './mean-flow.ts';
import type { Objective } from './objective.ts';
import { EFLOW_DEFAULTS, eflow, SOLUTION_FLOW_DEFAULTS, solutionFlow } from './solution-flow.ts';
import { SPLIT_MEAN_FLOW_DEFAULTS, splitMeanFlow } from './split-mean-flow.ts';

const DEFAULTS = {
  flowMatching: FLOW_MATCHING_DEFAULTS,
  solutionFlow: SOLUTION_FLOW_DEFAULTS,
  eflow: EFLOW_DEFAULTS,
  meanFlow: MEAN_FLOW_DEFAULTS,
  splitMeanFlow: SPLIT_MEAN_FLOW_DEFAULTS,
};
const createWith = (kind: keyof typeof DEFAULTS, change = {}) =>
  createObjective({ kind, ...DEFAULTS[kind], ...change } as ObjectiveSpec);

describe('createObjective', () => {
  it.each<[keyof typeof DEFAULTS, Objective]>([
    ['flowMatching', flowMatching(FLOW_MATCHING_DEFAULTS)],
    ['solutionFlow', solutionFlow(SOLUTION_FLOW_DEFAULTS)],
    ['eflow', eflow(EFLOW_DEFAULTS)],
    ['meanFlow', meanFlow(MEAN_FLOW_DEFAULTS)],
    ['splitMeanFlow', splitMeanFlow(SPLIT_MEAN_FLOW_DEFAULTS)],
  ])('makes %s of a spec', (kind, expected) => {
    const lossOf = (objective: Objective) => {
      const batch = toyBatch(8);
      const schedule = objective.scheduleAt(0.7);
      const draws = objective.draw(createStream(1), batch.data.shape, schedule);
      return objective.loss(toyNetworks(toyParams()), batch, draws, schedule).lossPerExample;
    };
    expectClose(lossOf(createWith(kind)), lossOf(expected), { rtol: 0, atol: 0 });
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
      kind: kind as keyof typeof DEFAULTS,
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
    expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(Object.keys(DEFAULTS)));
    expect(rows.length).toBeGreaterThan(10);
  });

  it.each(rows)('is right about $kind, $change', ({ kind, change, numbers }) => {
    for (const key of Object.keys(change)) expect(DEFAULTS[kind]).toHaveProperty(key);
    const passes = countPasses(createWith(kind, change), 100);
    const batches = (network: string, gradient: boolean) =>
      passes
        .filter((pass) => pass.network === network && pass.gradient === gradient)
        .reduce((n, { rows }) => n + rows, 0) / 100;
    expect(numbers).toEqual([passes.length, batches('strong', true), batches('strong', false), batches('weak', false)]);
  });

  it('agrees with the one on the first page', () => {
    const page = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const first = [...page.matchAll(/^\| `(\w+)` \| [^|]+ \|((?: [\d.]+ \|){3})$/gm)];
    expect(first.map(([, kind]) => kind)).toEqual(Object.keys(DEFAULTS));
    for (const [, kind, numbers] of first) {
      const row = rows.find((one) => one.kind === kind && Object.keys(one.change).length === 0)!;
      expect(row.numbers.slice(1)).toEqual([...numbers!.matchAll(/[\d.]+/g)].map(Number));
    }
  });
});
