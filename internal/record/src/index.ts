import { existsSync, readFileSync } from 'node:fs';
import { type Machine, mean } from '@eflow/cli';
import type { Protocol } from '@eflow/fvd';

/** From the repository's root, as commands run there. */
export const RECORD_FILE = 'docs/results/record.json';
/** The number of passes that entries are compared at. */
export const COMPARED_PASSES = 4;
/** An entry without these seeds is no record: a lucky seed is no progress. */
export const RECORD_SEEDS = [0, 1, 2];

/** How good clips are. The distance is not FVD. */
export interface Figures {
  /** Frechet distance of the digits classifier's features. */
  frechetDistance: number;
  /** Share of clips in which the classifier sees the digit asked for. */
  classAccuracy: number;
  /** Share of clips in all of whose frames it sees the same digit. */
  frameConsistency: number;
}

/** Clips that were sampled in so many network passes each. */
export interface Score extends Figures {
  passes: number;
}

/** One seed of an entry. */
export interface SeedResult {
  seed: number;
  /** Made; fewer than planned where the clock ended training. */
  steps: number;
  /** Of training, compilation included. */
  seconds: number;
  /** Median of a step. */
  stepSeconds: number;
  scores: Score[];
  /** Real clips against other real ones, both of this seed's held-out set. */
  real: Figures;
}

/** A line of the record: the preset as it was at a commit, trained for some minutes. */
export interface Entry {
  /** When it was measured, such as 2026-01-31. */
  date: string;
  /** What was changed, in words. */
  change: string;
  /** Ends with -dirty where files were changed since. */
  commit: string;
  machine: Omit<Machine, 'commit'>;
  minutes: number;
  /** Steps that were to fit into the minutes. */
  plannedSteps: number;
  seeds: SeedResult[];
  /** What every figure was measured by. */
  protocol: Protocol;
}

/** The entries in a file, oldest first; none where there is no file. */
export const readEntries = (file: string): Entry[] => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []);

/** What each seed of an entry scores in so many passes. */
export const scoresAt = ({ seeds }: Entry, passes: number): Score[] =>
  seeds.flatMap(({ scores }) => scores.filter((score) => score.passes === passes));

/** The best entry of so many minutes: that of the lowest mean distance at 4 passes, among those of the record's seeds. */
export function findRecord(entries: readonly Entry[], minutes: number): Entry | undefined {
  const distance = (entry: Entry) =>
    mean(scoresAt(entry, COMPARED_PASSES).map(({ frechetDistance }) => frechetDistance));
  const hasSeeds = ({ seeds }: Entry) => RECORD_SEEDS.every((wanted) => seeds.some(({ seed }) => seed === wanted));
  return entries
    .filter((entry) => entry.minutes === minutes && hasSeeds(entry))
    .sort((a, b) => distance(a) - distance(b))[0];
}
