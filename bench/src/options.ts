import { integer } from '@eflow/cli';
import { InvalidArgumentError } from 'commander';

/** Flags and description of what every benchmark has. */
export const JSON_OPTION = [
  '--json [file]',
  'write all figures as JSON, into the file after every round, or to standard output at the end',
] as const;

export const positiveIntegers = (text: string): number[] => text.split(',').map(integer(1));

/** Those of `all` that a list names, in their own order. */
export const namesAmong =
  <Name extends string>(all: readonly Name[]) =>
  (text: string): Name[] => {
    const names = text.split(',');
    const unknown = names.find((name) => !all.some((known) => known === name));
    if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is not among ${all.join(', ')}`);
    return all.filter((name) => names.includes(name));
  };
