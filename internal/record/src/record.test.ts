import { expect, it } from 'vitest';
import { type Entry, findRecord, readEntries, scoresAt } from './index.ts';

/** An entry of a seed for each distance at 4 passes; at 1 pass they are the other way round. */
function entryOf(change: string, minutes: number, distances: number[], firstSeed = 0): Entry {
  const figures = { classAccuracy: 0.5, frameConsistency: 0.25 };
  const seeds = distances.map((frechetDistance, seed) => ({
    seed: firstSeed + seed,
    scores: [
      { passes: 1, frechetDistance: 100 - frechetDistance, ...figures },
      { passes: 4, frechetDistance, ...figures },
    ],
  }));
  return { change, minutes, seeds } as unknown as Entry;
}

const entries = [
  entryOf('first', 3, [20, 22, 24]),
  entryOf('better on the mean', 3, [10, 20, 27]),
  entryOf('two seeds', 3, [5, 5]),
  entryOf('lucky seeds', 3, [4, 4, 4], 1),
  entryOf('longer', 10, [4, 4, 4]),
  entryOf('better on two seeds', 3, [9, 9, 60]),
];

it('finds the lowest mean distance at 4 passes among those of the same minutes and all seeds', () => {
  expect(findRecord(entries, 3)!.change).toBe('better on the mean');
  expect(findRecord(entries, 10)!.change).toBe('longer');
  expect(findRecord(entries, 5)).toBeUndefined();
  expect(entries[0]!.change).toBe('first');
});

it('tells the scores of all seeds at one number of passes', () => {
  expect(scoresAt(entries[1]!, 1).map(({ frechetDistance }) => frechetDistance)).toEqual([90, 80, 73]);
  expect(scoresAt(entries[1]!, 2)).toEqual([]);
});

it('reads no entries where there is no file', () => expect(readEntries('/nowhere/record.json')).toEqual([]));
