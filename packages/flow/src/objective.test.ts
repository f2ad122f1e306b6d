import { compile } from '@eflow/engine';
import {
  createStream,
  type RandomStream,
  splitStream,
  stopGradient,
  type Tree,
  treeEntries,
  uploadStream,
  valueAndGrad,
} from '@eflow/tensor';
import { expectClose } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { POINT, pointMass } from '../fixtures/point-mass.ts';
import { NULL_LABEL, toyBatch, toyNetworks, toyParams } from '../fixtures/toy-network.ts';
import { createObjective, OBJECTIVES, type ObjectiveSpec, objectiveKind } from './create-objective.ts';
import type { Draws } from './draws.ts';
import type { Condition, Network } from './network.ts';
import { callTogether, type Networks, type ObjectiveBatch, type ObjectiveSchedule } from './objective.ts';
import { PATHS, type Path, perExample } from './path.ts';
import { SOLUTION_MAPS, type SolutionMap } from './solution-map.ts';

const CASES: [string, ObjectiveSpec][] = [
  ...OBJECTIVES.map(({ kind }): [string, ObjectiveSpec] => [kind, { kind }]),
  ['eflow with a full pass for its reference', { kind: 'eflow', guidanceReference: 'unconditional' }],
  ...OBJECTIVES.filter(({ learnsJumps }) => learnsJumps).map(({ kind }): [string, ObjectiveSpec] => [
    `${kind} with the guidance scale as an input`,
    { kind, guidanceScale: { min: 1, max: 4 } } as ObjectiveSpec,
  ]),
];

const ROWS = 11;
type Params = ReturnType<typeof toyParams>;

/** An objective with all that one call of its loss takes, on the toy network. */
function setUp(spec: ObjectiveSpec, seed = 1) {
  const objective = createObjective(spec);
  const batch = toyBatch(ROWS);
  const schedule: ObjectiveSchedule = objective.scheduleAt(0.5);
  const draws = objective.draw(createStream(seed), batch.data.shape, schedule);
  const params = toyParams();
  const networks = toyNetworks(params);
  const loss = (
    change: { networks?: Partial<Networks>; batch?: Partial<ObjectiveBatch>; draws?: Partial<Draws> } = {},
  ) =>
    objective.loss(
      { ...networks, ...change.networks },
      { ...batch, ...change.batch },
      { ...draws, ...change.draws },
      schedule,
    );
  return { objective, batch, schedule, draws, params, networks, loss };
}

const numbers = (x: tf.Tensor) => Array.from(x.dataSync());
const treeNumbers = (tree: Tree) => treeEntries(tree).map(([name, x]) => [name, numbers(x)]);

describe.each(CASES)('%s', (_name, spec) => {
  const isJumping = objectiveKind(spec.kind).learnsJumps;
  const V = isJumping ? 8 : ROWS;

  it('has the mean of lossPerExample for its loss, row by row in the order of the batch', () => {
    const { batch, loss } = setUp(spec);
    const { loss: total, lossPerExample } = loss();
    expect(lossPerExample.shape).toEqual([ROWS]);
    const before = numbers(lossPerExample);
    expectClose(total, [before.reduce((sum, value) => sum + value) / ROWS]);
    for (const row of [0, V - 1, V % ROWS, ROWS - 1]) {
      const data = tf.add(batch.data, tf.reshape(tf.oneHot([row], ROWS), [ROWS, 1]));
      const after = numbers(loss({ batch: { data } }).lossPerExample);
      expect(after.flatMap((value, i) => (Math.abs(value - before[i]!) > 1e-4 ? [i] : []))).toEqual([row]);
    }
  });

  it('is trained through N(x_t, t, t) in the velocity rows and N(x_t, t, s) in the jump rows', () => {
    const { draws, loss, networks } = setUp(spec);
    const calls: number[][][] = [];
    const strong: Network = (input) => {
      calls.push([numbers(input.timestep), numbers(input.targetTimestep)]);
      return networks.strong(input);
    };
    loss({ networks: { strong } });
    const velocityTimes = numbers(draws.velocityTimestep);
    expect(calls[0]).toEqual([
      [...velocityTimes, ...(draws.jump ? numbers(draws.jump.timestep) : [])],
      [...velocityTimes, ...(draws.jump ? numbers(draws.jump.targetTimestep) : [])],
    ]);
  });

  it('is a pure function of its draws, and those of their stream', () => {
    const [first, second, other] = [setUp(spec), setUp(spec), setUp(spec, 2)];
    expect(numbers(first.loss().lossPerExample)).toEqual(numbers(second.loss().lossPerExample));
    expect(numbers(first.loss().lossPerExample)).toEqual(numbers(first.loss().lossPerExample));
    expect(numbers(first.draws.noise)).not.toEqual(numbers(other.draws.noise));
  });

  /** Draws, loss and gradients of one batch. */
  function step(stream: RandomStream, schedule: ObjectiveSchedule, batch: ObjectiveBatch, params: Params) {
    const objective = createObjective(spec);
    const draws = objective.draw(stream, batch.data.shape, schedule);
    const { values, grads } = valueAndGrad(() => {
      const { loss, lossPerExample, terms } = objective.loss(toyNetworks(params), batch, draws, schedule);
      return { loss, lossPerExample, ...terms };
    }, params);
    return { ...values, gradients: tf.stack(Object.values(grads)) };
  }

  function expectSame(actual: ReturnType<typeof step>, expected: ReturnType<typeof step>) {
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const [name, values] of Object.entries(expected)) {
      expectClose(actual[name as keyof typeof actual]!, values!, { rtol: 1e-4, atol: 1e-5 });
    }
  }

  it.each([1, 2.5])('takes its schedule in numbers or in scalars, guidance of %d', (guidanceScale) => {
    const inScalars = { guidanceScale: tf.scalar(guidanceScale), intervalRatio: tf.scalar(0.03) };
    const inNumbers = { guidanceScale, intervalRatio: 0.03 };
    const [scalars, numeric] = [inScalars, inNumbers].map((schedule) =>
      step(createStream(4), schedule, toyBatch(ROWS), toyParams()),
    );
    expectSame(scalars!, numeric!);
  });

  it('is the same as one compiled graph', () => {
    const compiled = compile((...args: Parameters<typeof step>) => tf.tidy(() => step(...args)), {
      captures: 'refuse',
    });
    const schedule = { guidanceScale: tf.scalar(2.5), intervalRatio: tf.scalar(0.03) };
    const graph = compiled(uploadStream(createStream(4)), schedule, { ...toyBatch(ROWS) }, toyParams());
    expectSame(graph, step(createStream(4), schedule, toyBatch(ROWS), toyParams()));
    compiled.dispose();
  });

  it('leaves only what it returns', () => {
    const { loss, params } = setUp(spec);
    const count = () => tf.memory().numTensors;
    const sizeOf = ({ terms, passes: _, ...losses }: ReturnType<typeof loss>) =>
      Object.values(losses).length + Object.values(terms).length;
    tf.dispose(loss());
    const before = count();
    const result = loss();
    expect(count()).toBe(before + sizeOf(result));
    tf.dispose(result);
    const { values, grads } = tf.tidy(() =>
      valueAndGrad(() => {
        const { loss: value, terms } = loss();
        return { loss: value, ...terms };
      }, params),
    );
    expect(count()).toBe(before + Object.values(values).length + Object.values(grads).length);
    tf.dispose([values, grads]);
    expect(count()).toBe(before);
  });

  it('has terms off the tape, one for each residual', () => {
    const { loss, params } = setUp(spec);
    expect(Object.keys(loss().terms)).toEqual(objectiveKind(spec.kind).terms.map(({ name }) => name));
    const { grads } = valueAndGrad(() => ({ loss: tf.addN(Object.values(loss().terms)) as tf.Scalar }), params);
    for (const grad of Object.values(grads)) expect(grad.dataSync()[0]).toBe(0);
  });

  it('hands NaN from the network on, in the loss and in its row', () => {
    const { loss } = setUp(spec);
    const strong: Network = ({ noisy }) => stopGradient(() => tf.fill(noisy.shape, Number.NaN));
    const { loss: total, lossPerExample } = loss({ networks: { strong } });
    expect(total.dataSync()[0]).toBeNaN();
    expect(numbers(lossPerExample)).toEqual(Array(ROWS).fill(Number.NaN));
  });

  it('refuses draws that are out of order, and leaves nothing', () => {
    const { loss, draws } = setUp(spec);
    const times = tf.mul(draws.velocityTimestep, 3);
    const before = tf.memory().numTensors;
    expect(() => loss({ draws: { velocityTimestep: times } })).toThrow(`${spec.kind}: velocityTimestep of row`);
    if (draws.jump) {
      const { jump } = draws;
      const swapped = { ...jump, timestep: jump.targetTimestep, targetTimestep: jump.timestep };
      expect(() => loss({ draws: { jump: swapped } })).toThrow(
        new RegExp(`^${spec.kind}: in row [0-2] .* expected targetTimestep < timestep`),
      );
      expect(() => loss({ draws: { jump: undefined } })).toThrow(`${spec.kind}: the draws have no jump times`);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it(isJumping ? 'refuses a batch too small to split' : 'takes a batch of one', () => {
    const { objective, schedule } = setUp(spec);
    const draw = () => objective.draw(createStream(1), [1, 3], schedule);
    if (isJumping) expect(draw).toThrow('1 velocity rows and 0 jump rows');
    else expect(draw().velocityTimestep.shape).toEqual([1]);
  });

  /** All calls of a loss in which row i has the data and the noise 100 i, so that rows can be told apart in each. */
  function watchRows(change: Partial<ObjectiveSpec>, keptTokens?: tf.Tensor) {
    const { batch, draws, loss } = setUp({ ...spec, ...change } as ObjectiveSpec);
    const ids = tf.tile(tf.mul(tf.range(0, ROWS).reshape([ROWS, 1]), 100), [1, 3]);
    const calls: { network: string; ids: number[]; labels: number[]; kept?: number[][]; dropped?: number[] }[] = [];
    const watch =
      (network: string): Network =>
      ({ noisy, condition, keptTokens: kept, pathDropped }) => {
        calls.push({
          network,
          ids: numbers(tf.slice(noisy, [0, 0], [noisy.shape[0]!, 1])).map((value) => Math.round(value / 100)),
          labels: numbers(condition as tf.Tensor),
          ...(kept && { kept: kept.arraySync() as number[][] }),
          ...(pathDropped && { dropped: numbers(pathDropped) }),
        });
        return tf.zerosLike(noisy);
      };
    loss({
      networks: { strong: watch('strong'), weak: watch('weak') },
      batch: { ...batch, data: ids, ...(keptTokens && { keptTokens }) },
      draws: { noise: ids },
    });
    return { calls, draws };
  }

  it('gives every strong pass on a row the same kept tokens, and the weak path all', () => {
    const keptTokens = tf.reshape(tf.range(0, 2 * ROWS, 1, 'int32'), [ROWS, 2]);
    const { calls } = watchRows({}, keptTokens);
    for (const { network, ids, kept } of calls) {
      expect(kept).toEqual(network === 'strong' ? ids.map((id) => [2 * id, 2 * id + 1]) : undefined);
    }
    for (const { kept } of watchRows({}).calls) expect(kept).toBeUndefined();
  });

  it('gives dropped rows the null condition in every pass, and drops the path in the trained one alone', () => {
    for (const weakCondition of spec.kind === 'eflow' ? (['null', 'same'] as const) : [undefined]) {
      const change = { classDropoutProb: 0.4, pathDropProb: 0.4, ...(weakCondition && { weakCondition }) };
      const { calls, draws } = watchRows(change);
      const [noCondition, noPath] = [numbers(draws.conditionDropped), numbers(draws.pathDropped)];
      const isNull = (id: number) => noCondition[id] === 1 || (noPath[id] === 1 && weakCondition !== 'same');
      const given = (id: number) => (isNull(id) ? NULL_LABEL : id + 1);
      expect(new Set(calls[0]!.ids.map(isNull))).toEqual(new Set([true, false]));
      for (const [i, { network, ids, labels, dropped }] of calls.entries()) {
        const isWeakWithCondition = network === 'weak' && weakCondition === 'same';
        // The reference of guidance has no condition; it is the one pass without gradient that sees velocity rows.
        const isReference = i > 0 && ids.includes(0) && !isWeakWithCondition;
        expect(labels).toEqual(ids.map((id) => (isReference ? NULL_LABEL : given(id))));
        expect(dropped).toEqual(i === 0 ? noPath : undefined);
      }
    }
  });

  /** Labels, their states and which of them are there, all told by the label alone; the null label's are zeros. */
  const asTree = (labels: tf.Tensor) => {
    const states = tf.tile(tf.reshape(tf.cast(labels, 'float32'), [-1, 1, 1]), [1, 2, 3]);
    return { text: { states, mask: tf.greater(tf.tile(tf.expandDims(labels, 1), [1, 2]), 0) }, labels };
  };

  it('takes a tree for condition, and drops rows of all its leaves, each in its dtype', () => {
    const { batch, loss } = setUp({ ...spec, classDropoutProb: 0.4, pathDropProb: 0.4 });
    const networks = toyNetworks(toyParams());
    const told =
      (network: Network): Network =>
      (input) => {
        const { labels, text } = input.condition as ReturnType<typeof asTree>;
        const expected = asTree(labels);
        expect([labels.dtype, text.states.dtype, text.mask.dtype]).toEqual(['int32', 'float32', 'bool']);
        expect(numbers(text.states)).toEqual(numbers(expected.text.states));
        expect(numbers(text.mask)).toEqual(numbers(expected.text.mask));
        return network({ ...input, condition: labels });
      };
    const alone = loss();
    const { labels: nullLabels, text } = asTree(batch.nullCondition as tf.Tensor);
    const tree = loss({
      networks: { strong: told(networks.strong), weak: told(networks.weak) },
      // The leaves in another order.
      batch: { condition: asTree(batch.condition as tf.Tensor), nullCondition: { labels: nullLabels, text } },
    });
    expect(numbers(tree.lossPerExample)).toEqual(numbers(alone.lossPerExample));
    expect(numbers(tree.loss)).toEqual(numbers(alone.loss));
  });

  it.each<[string, (labels: tf.Tensor) => Condition, string]>([
    ['without a leaf', (labels) => ({ labels }), "condition has a leaf 'mask', and nullCondition "],
    [
      'of another shape',
      (labels) => ({ labels, mask: tf.zeros([1, 2], 'bool') }),
      "nullCondition's leaf 'mask' is [1, 2] bool and condition's leaf 'mask' is [11, 2] bool; expected [11, ...]",
    ],
    [
      'of another dtype',
      (labels) => ({ labels: tf.cast(labels, 'float32'), mask: tf.zeros([ROWS, 2], 'bool') }),
      "nullCondition's leaf 'labels' is [11] float32 and condition's leaf 'labels' is [11] int32",
    ],
  ])('refuses a null condition %s', (_case, build, message) => {
    const { batch, loss } = setUp(spec);
    const condition = { labels: batch.condition as tf.Tensor, mask: tf.zeros([ROWS, 2], 'bool') };
    const nullCondition = build(batch.nullCondition as tf.Tensor);
    expect(() => loss({ batch: { condition, nullCondition } })).toThrow(`${spec.kind}: ${message}`);
  });

  it('trains dropped rows on the plain velocity: guidance and mixture are not for them', () => {
    const dropAll = { ...spec, classDropoutProb: 1 } as ObjectiveSpec;
    const { loss, networks } = setUp(dropAll);
    const unguided = isJumping ? { guidanceScale: 1, targetMixRatio: 1 } : {};
    const { loss: plain } = setUp({ ...dropAll, ...unguided } as ObjectiveSpec);
    const weak: Network = (input) => tf.mul(networks.weak(input), 1e3);
    expectClose(loss({ networks: { weak } }).lossPerExample, plain().lossPerExample, { rtol: 1e-5, atol: 1e-5 });
  });
});

describe('guidance that is trained in', () => {
  it('by the weak path: it alone is asked for the reference, and NaN from it is handed on', () => {
    const { loss } = setUp({ kind: 'eflow', classDropoutProb: 0, pathDropProb: 0 });
    const before = numbers(loss().lossPerExample);
    const weak: Network = ({ noisy }) => tf.fill(noisy.shape, Number.NaN);
    const after = numbers(loss({ networks: { weak } }).lossPerExample);
    expect(before.some(Number.isNaN)).toBe(false);
    expect(after).toEqual(Array(ROWS).fill(Number.NaN));
  });
});

describe.each(OBJECTIVES.filter(({ learnsJumps }) => learnsJumps).map(({ kind }) => kind))(
  '%s on a range of guidance scales',
  (kind) => {
    /** A network that has no use for the scale. */
    const deaf = (networks: Networks): Networks => ({
      strong: ({ guidanceScale: _, ...input }) => networks.strong(input),
      weak: ({ guidanceScale: _, ...input }) => networks.weak(input),
    });
    const spec = (change: object) => ({ kind, ...change }) as ObjectiveSpec;
    const lossesOf = (objective: ObjectiveSpec, draws?: Partial<Draws>) => {
      const { loss, networks } = setUp(objective);
      return numbers(loss({ networks: deaf(networks), draws }).lossPerExample);
    };

    it('draws all else as without, and of one scale alone has the loss of that scale, to the bit', () => {
      const [fixed, range] = [2, { min: 2, max: 2 }].map((guidanceScale) => spec({ guidanceScale }));
      const { guidanceScale, ...others } = setUp(range!).draws;
      expect(numbers(guidanceScale!)).toEqual(Array(ROWS).fill(2));
      expect(treeNumbers(others)).toEqual(treeNumbers(setUp(fixed!).draws));
      expect(lossesOf(range!)).toEqual(lossesOf(fixed!));
    });

    it('has in every row the loss of the scale that is drawn for it', () => {
      const range = spec({ guidanceScale: { min: 1, max: 4 } });
      const scales = numbers(setUp(range).draws.guidanceScale!);
      expect(new Set(scales).size).toBe(ROWS);
      const alone = scales.map((guidanceScale, row) => lossesOf(spec({ guidanceScale }))[row]!);
      expectClose(tf.tensor1d(lossesOf(range)), alone, { rtol: 1e-4, atol: 1e-5 });
    });

    it('at the scale 1 aims at what there is without guidance', () => {
      const range = spec({ guidanceScale: { min: 1, max: 4 } });
      const unguided = lossesOf(spec({ guidanceScale: 1 }));
      expectClose(tf.tensor1d(lossesOf(range, { guidanceScale: tf.ones([ROWS]) })), unguided, { rtol: 1e-5 });
      expect(lossesOf(range)).not.toEqual(unguided);
    });

    it('tells every pass the scale of its rows, and those that guidance moves away from 1', () => {
      const { loss, draws, networks } = setUp(spec({ guidanceScale: { min: 1.5, max: 4 } }));
      const scales = numbers(draws.guidanceScale!);
      const [noCondition, noPath] = [numbers(draws.conditionDropped), numbers(draws.pathDropped)];
      const own = scales.map((scale, i) => (noCondition[i] || noPath[i] ? 1 : scale));
      const calls: { network: string; told: number[]; labels: number[] }[] = [];
      const watch =
        (network: keyof Networks): Network =>
        (input) => {
          calls.push({
            network,
            told: numbers(input.guidanceScale!),
            labels: numbers(input.condition as tf.Tensor),
          });
          return networks[network](input);
        };
      loss({ networks: { strong: watch('strong'), weak: watch('weak') } });
      expect(calls[0]!.told).toEqual(own);
      for (const { network, told, labels } of calls.slice(1)) {
        const expected = labels.map((label) => (network === 'weak' || label === NULL_LABEL ? 1 : own[label - 1]));
        expect(told).toEqual(expected);
      }
    });
  },
);

describe('callTogether', () => {
  it('makes one call of several, and hands the parts back in order', () => {
    let calls = 0;
    const network: Network = ({ noisy, timestep }) => {
      calls++;
      return tf.add(noisy, perExample(timestep, 2));
    };
    const input = (rows: number, t: number) => ({
      noisy: tf.fill([rows, 2], rows),
      timestep: tf.fill([rows], t),
      targetTimestep: tf.zeros([rows]),
      condition: tf.zeros([rows]),
    });
    const { a, b, none, c } = callTogether(network, {
      a: input(2, 0.25),
      b: input(3, 0.5),
      none: undefined,
      c: input(1, 0.75),
    });
    expect(none).toBeUndefined();
    expect([a, b, c].map((x) => x.arraySync())).toEqual([
      Array(2).fill([2.25, 2.25]),
      Array(3).fill([3.5, 3.5]),
      [[1.75, 1.75]],
    ]);
    expect(calls).toBe(1);
  });
});

/** Whether the form of the solution map may be chosen. */
const hasMap = ({ kind }: ObjectiveSpec) => 'map' in objectiveKind(kind).schema.shape;

/** The loss of the exact network of data in one point, plus `spoil` times s^2. */
function onPointMass(
  spec: ObjectiveSpec,
  path: Path,
  map: SolutionMap,
  { spoil = 0, intervalRatio = 0.1, rows = 64 } = {},
) {
  const objective = createObjective({ ...spec, path, ...(hasMap(spec) && { map }) } as ObjectiveSpec);
  const exact = pointMass(path, map);
  const params = { scale: tf.scalar(1), spoil: tf.scalar(spoil) };
  const network: Network = (input) =>
    tf.add(tf.mul(exact(input), params.scale), tf.mul(perExample(tf.square(input.targetTimestep), 2), params.spoil));
  const batch = {
    data: tf.tile(tf.tensor2d(POINT, [1, 3]), [rows, 1]),
    condition: tf.zeros([rows]),
    nullCondition: tf.zeros([rows]),
  };
  const schedule = { ...objective.scheduleAt(1), intervalRatio };
  const draws = objective.draw(splitStream(createStream(5), 1), [rows, 3], schedule);
  const { values, grads } = valueAndGrad(() => {
    const { loss, lossPerExample, terms } = objective.loss({ strong: network, weak: network }, batch, draws, schedule);
    return { loss, lossPerExample, ...terms };
  }, params);
  const { loss: _, lossPerExample, ...terms } = values;
  return {
    terms: Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term.dataSync()[0]!])),
    loss: Math.max(...numbers(lossPerExample!).map(Math.abs)),
    gradient: Math.max(...Object.values(grads).map((grad) => Math.abs(grad.dataSync()[0]!))),
  };
}

describe.each(CASES)('the exact map in %s', (_name, spec) => {
  const maps = hasMap(spec) ? SOLUTION_MAPS : (['euler'] as const);
  // Where no straight step along v leaves the path, or there is none.
  const paths = ['flowMatching', 'splitMeanFlow'].includes(spec.kind) ? PATHS : (['linear'] as const);
  const cases = maps.flatMap((map) => paths.map((path) => [path, map] as const));

  it.each(cases)('has neither loss nor gradient, and a perturbed one both: %s path, %s map', (path, map) => {
    const exact = onPointMass(spec, path, map);
    const spoiled = onPointMass(spec, path, map, { spoil: 1 });
    for (const [name, term] of Object.entries(exact.terms)) {
      expect(term).toBeLessThan(1e-9);
      expect(spoiled.terms[name]).toBeGreaterThan(5e-5);
    }
    expect(exact.loss).toBeLessThan(1e-3);
    expect(exact.gradient).toBeLessThan(1e-4);
    expect(spoiled.gradient).toBeGreaterThan(0.05);
  });
});

describe('the exact map on the trigonometric path', () => {
  // A straight step of t - l along v leaves a curved path by (t - l)^2 |x''| / 2; divided by t - l, one order is left.
  it.each(SOLUTION_MAPS)(
    'has a solution residual in proportion to t - l and no other, in eflow with the %s map',
    (map) => {
      const at = (intervalRatio: number) =>
        onPointMass({ kind: 'eflow' }, 'trigonometric', map, { intervalRatio }).terms;
      const residuals = [0.16, 0.08, 0.04].map((ratio) => Math.sqrt(at(ratio).solutionLoss!));
      expect(residuals[0]).toBeGreaterThan(0.01);
      for (const i of [0, 1]) expect(Math.abs(Math.log2(residuals[i]! / residuals[i + 1]!) - 1)).toBeLessThan(0.05);
      expect(at(0.1).additivityLoss).toBeLessThan(1e-9);
      expect(at(0.1).velocityLoss).toBeLessThan(1e-9);
    },
  );

  it("has a residual of MeanFlow's identity in proportion to the square of its difference's step", () => {
    const at = (differenceStep: number) =>
      onPointMass({ kind: 'meanFlow', differenceStep }, 'trigonometric', 'euler').terms;
    const residual = (step: number) => Math.sqrt(at(step).meanVelocityLoss!);
    expect(residual(0.04)).toBeGreaterThan(1e-4);
    expect(Math.abs(Math.log2(residual(0.04) / residual(0.02)) - 2)).toBeLessThan(0.1);
  });
});
