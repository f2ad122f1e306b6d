import { readFileSync } from 'node:fs';
import type { Measurement } from './measure.ts';

/** One measurement of a file, and which of several it is: `step 500, 4 steps`, or nothing where it is the only one. */
export interface FoundMeasurement {
  what: string;
  measurement: Measurement;
}

type Found = Partial<Measurement> & { step?: number; numSteps?: number };

/**
 * The measurements in a file: one of `eflow-fvd --json`, those of an evaluation, of the cell of a study, or of training (a line each).
 * Throws, naming the file, if there is none, or if it was written before all had one protocol.
 */
export function findMeasurements(file: string): FoundMeasurement[] {
  try {
    const found = file.endsWith('.jsonl') ? readLines(file) : findIn(JSON.parse(readFileSync(file, 'utf8')));
    if (found.length === 0) throw new Error('it holds no protocol and distance');
    return found.map(({ step, numSteps, ...measurement }) => {
      const what = [
        ...(step === undefined ? [] : [`step ${step}`]),
        ...(numSteps === undefined ? [] : [`${numSteps} step${numSteps === 1 ? '' : 's'}`]),
      ];
      return { what: what.join(', '), measurement: requireWhole(measurement) };
    });
  } catch (error) {
    throw new Error(
      `${file} cannot be read (${(error as Error).message}); give what compare --json, an evaluation or training wrote`,
    );
  }
}

/** The whole lines of a file; a torn last one, left by a kill, is none. */
const readLines = (file: string): Found[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

/** An evaluation holds `results`, the cell of a study `evaluations`. */
function findIn(document: unknown): Found[] {
  if (typeof document !== 'object' || document === null) return [];
  if ('evaluations' in document && Array.isArray(document.evaluations)) return document.evaluations.flatMap(findIn);
  if ('results' in document && Array.isArray(document.results)) {
    if (!('protocol' in document)) return document.results;
    throw new Error('it was written before all measurements had one protocol: measure again');
  }
  return 'protocol' in document ? [document as Found] : [];
}

function requireWhole(measurement: Partial<Measurement>): Measurement {
  if (measurement.protocol && measurement.frechetDistance !== undefined) return measurement as Measurement;
  throw new Error('it holds no protocol and distance');
}
