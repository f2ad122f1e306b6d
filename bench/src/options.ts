import { InvalidArgumentError } from 'commander';

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('expected an integer of at least 1');
  }
  return value;
}

export const positiveIntegers = (text: string): number[] => text.split(',').map(positiveInteger);

/** Those of `all` that a list names, in their own order. */
export const namesAmong =
  <Name extends string>(all: readonly Name[]) =>
  (text: string): Name[] => {
    const names = text.split(',');
    const unknown = names.find((name) => !all.some((known) => known === name));
    if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is not among ${all.join(', ')}`);
    return all.filter((name) => names.includes(name));
  };
