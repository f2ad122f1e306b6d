import { closest } from 'fastest-levenshtein';

/** Throws, naming the nearest known key, if `options` has one that is not known: JavaScript would leave a misspelt option aside in silence. */
export function refuseUnknownKeys(where: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    throw new Error(
      `${where}: unknown option '${key}'; did you mean '${closest(key, known)}'? Options: ${known.join(', ')}`,
    );
  }
}

/**
 * `options` with `defaults` where a key is absent or undefined. `others` are the options that have no default. Throws as
 * `refuseUnknownKeys` does.
 */
export function withDefaults<Options extends object, Defaults extends object>(
  where: string,
  options: Options,
  defaults: Defaults,
  others: readonly (keyof Options & string)[] = [],
): WithDefaults<Options, Defaults> {
  refuseUnknownKeys(where, options, [...Object.keys(defaults), ...others]);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) } as unknown as WithDefaults<Options, Defaults>;
}

/** Options of which those that have a default are there. */
export type WithDefaults<Options, Defaults> = Options & Required<Pick<Options, keyof Options & keyof Defaults>>;
