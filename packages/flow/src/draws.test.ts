import { createStream, type RandomStream, splitStream, uploadStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { assertDraws, type Draws, drawBatch, jumpOf, splitRows } from './draws.ts';
import { type JumpTimes, sampleSortedTimes } from './time-sampler.ts';

const OPTIONS = { classDropoutProb: 0.1, pathDropProb: 0.2, velocityTime: { mean: -0.2, std: 1 } };
const SHAPE = [41, 2, 3];
const drawJump = (stream: RandomStream, rows: number) =>
  sampleSortedTimes(stream, rows, { time: OPTIONS.velocityTime, gap: 0.01 });
const draw = (stream: RandomStream, change = {}) => drawBatch(stream, SHAPE, 31, { ...OPTIONS, ...change }, drawJump);
const leaves = ({ jump, ...rest }: Draws) => [...Object.values(rest), ...Object.values(jump!)] as tf.Tensor[];

describe('splitRows', () => {
  it('rounds the velocity rows', () => {
    expect(splitRows(4, 0.75)).toEqual({ velocityRows: 3, jumpRows: 1 });
    expect(splitRows(7, 0.5)).toEqual({ velocityRows: 4, jumpRows: 3 });
  });

  it('refuses a batch that leaves either without a row', () => {
    const message = 'a batch of 1 with velocityRatio 0.75 has 1 velocity rows and 0 jump rows; expected at least one';
    expect(() => splitRows(1, 0.75)).toThrow(message);
    expect(() => splitRows(8, 0)).toThrow('0 velocity rows');
    expect(() => splitRows(8, 1)).toThrow('0 jump rows');
    expect(() => splitRows(8, Number.NaN)).toThrow('velocityRatio NaN');
  });
});

describe('drawBatch', () => {
  it('draws velocity rows, then jump rows', () => {
    const draws = draw(createStream(1));
    expect(draws.noise.shape).toEqual(SHAPE);
    expect(draws.velocityTimestep.shape).toEqual([31]);
    expect(Object.values(draws.jump!).map((times) => times.shape)).toEqual([[10], [10], [10], [10]]);
    expect([draws.conditionDropped, draws.pathDropped].map((x) => [x.shape, x.dtype])).toEqual([
      [[41], 'bool'],
      [[41], 'bool'],
    ]);
    const alone = drawBatch(createStream(1), SHAPE, 41, OPTIONS);
    expect('jump' in alone).toBe(false);
    expect([alone.velocityTimestep.shape, alone.pathDropped.shape]).toEqual([[41], [41]]);
  });

  it('drops conditions in all rows and paths in velocity rows alone, as often as told', () => {
    let [paths, conditions, jumpConditions] = [0, 0, 0];
    for (let step = 0; step < 100; step++) {
      tf.tidy(() => {
        const at = draw(splitStream(createStream(2), step));
        const count = (x: tf.Tensor, from = 0) => tf.sum(tf.slice(x, [from])).dataSync()[0]!;
        expect(count(at.pathDropped, 31)).toBe(0);
        paths += count(at.pathDropped);
        conditions += count(at.conditionDropped);
        jumpConditions += count(at.conditionDropped, 31);
      });
    }
    expect(Math.abs(paths / 3100 - 0.2)).toBeLessThan(0.036); // 5 standard errors
    expect(Math.abs(conditions / 4100 - 0.1)).toBeLessThan(0.024);
    expect(Math.abs(jumpConditions / 1000 - 0.1)).toBeLessThan(0.048);
  });

  it('drops none at probability 0 and all at 1', () => {
    const at = (probability: number) =>
      draw(createStream(3), { classDropoutProb: probability, pathDropProb: probability });
    expect(tf.sum(tf.concat([at(0).conditionDropped, at(0).pathDropped])).dataSync()[0]).toBe(0);
    expect(tf.sum(at(1).conditionDropped).dataSync()[0]).toBe(41);
    expect(tf.sum(at(1).pathDropped).dataSync()[0]).toBe(31);
  });

  it('is a function of the stream, in numbers or in a tensor, and leaves nothing else', () => {
    const stream = uploadStream(createStream(4));
    const expected = leaves(draw(createStream(4)));
    for (const again of [leaves(draw(createStream(4))), leaves(draw(stream))]) {
      for (const [i, values] of again.entries()) expectClose(values, expected[i]!, { rtol: 0, atol: 0 });
    }
    expect(draw(createStream(5)).noise.dataSync()).not.toEqual(expected[0]!.dataSync());
    expectNoLeak(() => leaves(draw(createStream(4))));
    expectNoLeak(() => leaves(draw(stream)));
  });
});

describe('jumpOf', () => {
  it('asks for draws that have jumps', () => {
    const { jump, ...without } = draw(createStream(6));
    expect(jumpOf('eflow', { ...without, jump })).toBe(jump);
    expect(() => jumpOf('eflow', without)).toThrow(
      "eflow: the draws have no jump times; draw them with the same objective's",
    );
  });
});

describe('assertDraws', () => {
  const at = (change: { velocity?: number } & Partial<Record<keyof JumpTimes, number>>): Draws => {
    const { velocity = 0.5, ...times } = change;
    const jump = { timestep: 0.9, targetTimestep: 0.1, nearTimestep: 0.8, middleTimestep: 0.4, ...times };
    const sound = { timestep: 0.9, targetTimestep: 0.2, nearTimestep: 0.2, middleTimestep: 0.9 };
    const rows = ([key, value]: [string, number]) => [key, tf.tensor1d([sound[key as keyof JumpTimes], value])];
    return {
      ...draw(createStream(7)),
      velocityTimestep: tf.tensor1d([0.3, velocity, 0.2]),
      jump: Object.fromEntries(Object.entries(jump).map(rows)),
    };
  };
  // Row 0 of the jumps is in order, if only just: s = l < t = m.
  it.each([{}, { velocity: 0 }, { velocity: 1 }, { timestep: 1, targetTimestep: 0 }])('takes %j', (change) => {
    expect(() => assertDraws('eflow', at(change))).not.toThrow();
  });

  it.each<[Parameters<typeof at>[0], string]>([
    [{ velocity: 1.5 }, 'velocityTimestep of row 1 is 1.5; expected a time in [0, 1]'],
    [{ velocity: -0.5 }, 'velocityTimestep of row 1 is -0.5'],
    [{ velocity: Number.NaN }, 'velocityTimestep of row 1 is NaN'],
    [{ timestep: 1.5 }, 'timestep of row 1 is 1.5; expected a time in [0, 1]'],
    [{ targetTimestep: -0.5 }, 'targetTimestep of row 1 is -0.5; expected a time in [0, 1]'],
    [{ targetTimestep: 0.953125 }, 'in row 1 targetTimestep is 0.953125 and timestep is 0.8999'],
    [{ targetTimestep: 0.8125 }, 'in row 1 targetTimestep is 0.8125 and nearTimestep is 0.8000'],
    [{ targetTimestep: 0.875, nearTimestep: 0.875, timestep: 0.875 }, 'expected targetTimestep < timestep'],
    [{ nearTimestep: 0.875, timestep: 0.875 }, 'expected nearTimestep < timestep'],
    [{ nearTimestep: 0.953125 }, 'in row 1 nearTimestep is 0.953125 and timestep is 0.8999'],
    [{ nearTimestep: Number.NaN }, 'in row 1 nearTimestep is NaN'],
    [{ nearTimestep: 0.0625 }, 'in row 1 targetTimestep is 0.10'],
    [{ middleTimestep: 0.953125 }, 'in row 1 middleTimestep is 0.953125 and timestep is 0.8999'],
    [{ middleTimestep: 0.0625 }, 'and middleTimestep is 0.0625; expected targetTimestep <= middleTimestep'],
  ])('refuses %j', (change, message) => {
    expect(() => assertDraws('eflow', at(change))).toThrow('eflow: ');
    expect(() => assertDraws('eflow', at(change))).toThrow(message);
  });
});
