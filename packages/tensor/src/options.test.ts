import { describe, expect, it } from 'vitest';
import { refuseUnknownKeys, withDefaults } from './options.ts';

describe('refuseUnknownKeys', () => {
  it.each([
    ['emadecay', 'emaDecay'],
    ['emas', 'ema'],
    ['windowsize', 'windowSize'],
  ])('names the key %s and the nearest, %s', (key, nearest) => {
    const known = ['ema', 'emaDecay', 'windowSize'];
    expect(() => refuseUnknownKeys('here', { ema: 1, [key]: 2 }, known)).toThrow(
      `here: unknown option '${key}'; did you mean '${nearest}'? Options: ema, emaDecay, windowSize`,
    );
    refuseUnknownKeys('here', { [nearest]: 2 }, known);
  });

  it('says where there are no options', () => {
    expect(() => refuseUnknownKeys('here', { window: 2 }, [])).toThrow("here: unknown option 'window'; there are none");
  });

  it('refuses an unknown key that is undefined', () => {
    expect(() => refuseUnknownKeys('here', { rtae: undefined }, ['rate'])).toThrow("did you mean 'rate'");
  });
});

describe('withDefaults', () => {
  type Options = { rate?: number | undefined; isWarm?: boolean; name: string };
  const defaults = { rate: 0.5, isWarm: true };
  const fill = (options: Options) => withDefaults('here', options, defaults, ['name']);

  it('fills in what is absent or undefined and keeps what is given, 0 and false included', () => {
    expect(fill({ name: 'a' })).toEqual({ rate: 0.5, isWarm: true, name: 'a' });
    expect(fill({ name: 'a', rate: undefined })).toEqual({ rate: 0.5, isWarm: true, name: 'a' });
    expect(fill({ name: 'a', rate: 0, isWarm: false })).toEqual({ rate: 0, isWarm: false, name: 'a' });
  });

  it('lists a key once that is among the defaults and the others', () => {
    expect(() => withDefaults('here', { a: 1, c: 2 }, { b: 1 }, ['b', 'a'] as never[])).toThrow(/Options: b, a$/);
  });

  it('leaves options and defaults as they are', () => {
    const options = Object.freeze({ name: 'a', rate: 1 });
    fill(options);
    expect([options, defaults]).toEqual([
      { name: 'a', rate: 1 },
      { rate: 0.5, isWarm: true },
    ]);
  });

  it('says in its type what is there', () => {
    const { rate, isWarm } = fill({ name: 'a' });
    expect([rate.toFixed(1), isWarm]).toEqual(['0.5', true]); // no `?.`: a default is never undefined
  });

  it('refuses a key that is neither among the defaults nor among the others', () => {
    expect(() => fill({ name: 'a', rat: 1 } as Options)).toThrow(
      "here: unknown option 'rat'; did you mean 'rate'? Options: rate, isWarm, name",
    );
  });
});
