import { closest } from 'fastest-levenshtein';

/**
 * Throws if `options` has a key that is not known, and names the nearest known one: JavaScript would ignore a misspelt option
 * without a word.
 */
export function refuseUnknownKeys(where: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const hint =
      known.length > 0 ? `did you mean '${closest(key, known)}'? Options: ${known.join(', ')}` : 'there are none';
    throw new Error(`${where}: unknown option '${key}'; ${hint}`);
  }
}

/**
 * `options` with `defaults` in place of what is absent or undefined. `others` are the options that have no default. Throws as
 * `refuseUnknownKeys` does.
 */
export function withDefaults<Options extends object, Defaults extends object>(
  where: string,
  options: Options,
  defaults: Defaults,
  others: readonly (keyof Options & string)[] = [],
): WithDefaults<Options, Defaults> {
  refuseUnknownKeys(where, options, [...new Set([...Object.keys(defaults), ...others])]);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) } as unknown as WithDefaults<Options, Defaults>;
}

/** Options, each of which is there if it has a default. */
export type WithDefaults<Options, Defaults> = Options & Required<Pick<Options, keyof Options & keyof Defaults>>;
