import { isDeepStrictEqual } from 'node:util';
import { countOf, formatNumber, mean, percent } from '@eflow/cli';
import { COMPARED_PASSES, type Entry, type Figures, findRecord, scoresAt } from '@eflow/record';

/** The minutes of the record that the demo is compared with: about as long as its training takes. */
const MINUTES = 3;

/** What `evaluate` wrote, as far as it is read here; the newest result of a number of passes comes last. */
export interface Evaluation {
  real: { protocol: Entry['protocol'] };
  results: (Figures & { nfe: number; weakNfe: number })[];
}

/** How far a run came, beside the record; undefined where there is no record, or none that was measured in the same way. */
export function describeTarget({ real, results }: Evaluation, entries: readonly Entry[]): string | undefined {
  const record = findRecord(entries, MINUTES);
  const own = results.findLast(({ nfe, weakNfe }) => nfe + weakNfe === COMPARED_PASSES);
  if (!record || !own || !isDeepStrictEqual(real.protocol, record.protocol)) return undefined;
  const beside = (figure: keyof Figures, format: (value: number) => string) =>
    [own[figure], mean(scoresAt(record, COMPARED_PASSES).map((score) => score[figure]))].map((value) => format(value));
  const [classRight, recordClassRight] = beside('classAccuracy', percent);
  const [consistency, recordConsistency] = beside('frameConsistency', percent);
  const [distance, recordDistance] = beside('frechetDistance', formatNumber);
  return `In ${countOf(COMPARED_PASSES, 'pass', 'passes')}: class right in ${classRight} of clips (the record after ${MINUTES} minutes: ${recordClassRight}), consistency ${consistency} (${recordConsistency}), Frechet distance ${distance} (${recordDistance}).`;
}
