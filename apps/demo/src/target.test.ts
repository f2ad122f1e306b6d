import type { Entry } from '@eflow/record';
import { expect, it } from 'vitest';
import { describeTarget } from './target.ts';

const protocol = { extractor: 'moving-digits classifier', numGenerated: 1000 } as Entry['protocol'];
const figures = (frechetDistance: number, classAccuracy: number, frameConsistency: number) => ({
  frechetDistance,
  classAccuracy,
  frameConsistency,
});
const evaluation = {
  real: { protocol },
  results: [
    { nfe: 4, weakNfe: 0, ...figures(1000, 0.1, 0.01) }, // untrained
    { nfe: 4, weakNfe: 0, ...figures(10.44, 0.814, 0.552) },
    { nfe: 8, weakNfe: 0, ...figures(9, 0.9, 0.6) },
  ],
};
const record = {
  minutes: 3,
  protocol,
  seeds: [
    { seed: 0, scores: [{ passes: 4, ...figures(9, 0.82, 0.5) }] },
    { seed: 1, scores: [{ passes: 4, ...figures(10, 0.83, 0.6) }] },
    { seed: 2, scores: [{ passes: 4, ...figures(11, 0.84, 0.7) }] },
  ],
} as Entry;

it("compares the trained network's four passes with the means of the record after three minutes", () => {
  expect(describeTarget(evaluation, [record])).toBe(
    'In 4 passes: class right in 81 % of clips (the record after 3 minutes: 83 %), consistency 55 % (60 %), Frechet distance 10.4 (10).',
  );
});

it('says nothing without an entry, or where figures do not compare', () => {
  expect(describeTarget(evaluation, [])).toBeUndefined();
  expect(describeTarget(evaluation, [{ ...record, minutes: 10 }])).toBeUndefined();
  expect(describeTarget(evaluation, [{ ...record, protocol: { ...protocol, numGenerated: 256 } }])).toBeUndefined();
  expect(describeTarget({ ...evaluation, results: [] }, [record])).toBeUndefined();
});
