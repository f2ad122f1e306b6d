import { InvalidArgumentError } from 'commander';

/** Parses a flag's number; `expected` ends the sentence that refuses another: "expected an even number". */
export const number =
  (expected: string, isValid: (value: number) => boolean = Number.isFinite) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || !isValid(value)) {
      throw new InvalidArgumentError(`expected ${expected}`);
    }
    return value;
  };

/** Parses a flag's integer from `least` to `most`, both included. */
export const integer = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  number(
    most === Number.MAX_SAFE_INTEGER ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`,
    (value) => Number.isSafeInteger(value) && value >= least && value <= most,
  );

/** Parses a flag's number above 0. */
export const positive = number('a positive number', (value) => value > 0);

/** Parses what stands between commas, such as 1,2,4. */
export const list =
  <Value>(parse: (text: string) => Value) =>
  (text: string): Value[] =>
    text.split(',').map((part) => parse(part.trim()));

/** Parses a list of names of `all`; in their own order. */
export const namesAmong =
  <Name extends string>(all: readonly Name[]) =>
  (text: string): Name[] => {
    const names = list(String)(text);
    const unknown = names.find((name) => !all.some((known) => known === name));
    if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is not among ${all.join(', ')}`);
    return all.filter((name) => names.includes(name));
  };
