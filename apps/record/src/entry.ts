import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { countOf, describeMachine } from '@eflow/cli';
import { type Entry, RECORD_FILE, readEntries } from '@eflow/record';
import { sync as writeFileAtomically } from 'write-file-atomic';
import type { Checkout } from './checkout.ts';
import { formatRecord } from './table.ts';

export const PAGE = RECORD_FILE.replace(/json$/, 'md');
/** The rule of the record. */
const MOST_CORES = 2;
/** Changed files that an error names. */
const NAMED = 5;

/** What an entry is to be made of. */
export interface Request {
  /** What was changed, in words. */
  change: string;
  overrides: readonly string[];
  checkout: Checkout;
  /** Add the entry although files were changed since the commit. */
  allowDirty: boolean;
}

/** Throws where the entry would not be what it says, before anything is trained for it. */
export function checkEntry({ change, overrides, checkout, allowDirty }: Request, { cores } = describeMachine()): void {
  if (change.trim() === '') throw new Error('--change is empty; say in a few words what was changed');
  if (overrides.length > 0) {
    throw new Error(
      `an entry is of the preset as it stands at the commit, without '${overrides[0]}': write that into the preset and commit it, or leave --change out to try it`,
    );
  }
  if (cores > MOST_CORES) {
    throw new Error(
      `the record is of ${MOST_CORES} cores, and this process may use ${cores}: put \`taskset --cpu-list 0,1\` before the command, or leave --change out`,
    );
  }
  const { commit, changes } = checkout;
  if (changes.length > 0 && !allowDirty) {
    const more = changes.length > NAMED ? `, and ${changes.length - NAMED} more` : '';
    throw new Error(
      `${countOf(changes.length, 'file')} changed since commit ${commit}, which the entry would name: ${changes.slice(0, NAMED).join(', ')}${more}. Commit them, leave --change out to try them, or add the entry as ${commit}-dirty with --allow-dirty`,
    );
  }
}

/** Adds an entry to the record, unless these very runs are in it, and writes its page anew. */
export function appendEntry(entry: Entry): void {
  const entries = readEntries(RECORD_FILE);
  if (entries.some(({ seeds }) => isDeepStrictEqual(seeds, entry.seeds))) {
    console.log(`These runs are in ${RECORD_FILE} already.`);
    return;
  }
  mkdirSync(dirname(RECORD_FILE), { recursive: true });
  writeFileAtomically(RECORD_FILE, `${JSON.stringify([...entries, entry], null, 2)}\n`);
  writePage();
}

/** Writes the page of the record's entries. */
export function writePage(): void {
  const entries = readEntries(RECORD_FILE);
  writeFileAtomically(PAGE, formatRecord(entries));
  console.log(`${PAGE}: ${countOf(entries.length, 'entry', 'entries')}`);
}
