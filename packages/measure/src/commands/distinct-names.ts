import { resolve, sep } from 'node:path';

/** Names for files, without their .json: for each the shortest end of its path that none of the others has. */
export function distinctNames(files: readonly string[]): string[] {
  const paths = files.map((file) =>
    resolve(file)
      .replace(/\.json$/, '')
      .split(sep),
  );
  return paths.map((parts, i) => {
    const others = paths.filter((_, j) => j !== i);
    const endOf = (path: readonly string[], length: number) => path.slice(-length).join('/');
    let length = 1;
    while (length < parts.length && others.some((other) => endOf(other, length) === endOf(parts, length))) length++;
    return endOf(parts, length);
  });
}
