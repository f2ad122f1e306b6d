/** A value that two configs have differently, as JSON; `absent` where one has none. */
export interface Difference {
  /** Dotted. */
  key: string;
  before: string;
  after: string;
}

/** The values in which two documents, such as configs, differ. */
export function findDifferences(before: unknown, after: unknown): Difference[] {
  const [from, to] = [flatten(before), flatten(after)];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter((key) => from[key] !== to[key])
    .map((key) => ({ key, before: from[key] ?? 'absent', after: to[key] ?? 'absent' }));
}

/** Dotted keys and their values as JSON. */
function flatten(value: unknown, path: string[] = []): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { [path.join('.')]: JSON.stringify(value) };
  }
  return Object.assign({}, ...Object.entries(value).map(([key, part]) => flatten(part, [...path, key])));
}
