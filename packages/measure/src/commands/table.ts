import { findMeasurements } from '../find-measurements.ts';
import { formatTable } from '../format.ts';
import { distinctNames } from './distinct-names.ts';

/** Prints one table of all measurements in some files. Throws, naming what differs, unless all were measured alike. */
export function table(files: string[]): void {
  const names = distinctNames(files);
  const rows = files.flatMap((file, i) =>
    findMeasurements(file).map(({ what, measurement }) => ({
      name: what ? `${names[i]}, ${what}` : names[i]!,
      measurement,
    })),
  );
  console.log(formatTable(rows));
}
