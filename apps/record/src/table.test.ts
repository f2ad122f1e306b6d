import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RECORD_FILE, readEntries } from '@eflow/record';
import { expect, it } from 'vitest';
import { PAGE } from './entry.ts';
import { syntheticEntry } from './synthetic.ts';
import { formatMinutes, formatRecord } from './table.ts';

const first = syntheticEntry('the beginning', [10, 12, 14]);
const second = syntheticEntry('Muon | AdamW', [8, 8, 8], { minutes: 10 });
const cut = syntheticEntry('cut', [20]);
cut.seeds[0]!.steps = 1100;

it('has the mean, the lowest and the highest seed at 4 passes, and marks the best', () => {
  const [head, , ...rows] = formatMinutes([cut, first], 3).split('\n').slice(2, 7);
  expect(head).toBe(
    '| date | what was changed | distance | class right | consistency | seeds | steps | seconds | ms a step | commit | machine |',
  );
  expect(rows).toEqual([
    '| 2026-01-31 | cut | 20 | 80.0 % | 50.0 % | 0 | 1,100 of 1,234 | 175 | 140 | abc1234 | A <CPU>, 2 cores, 16 GB |',
    '| 2026-01-31 | the beginning | **12 (10 to 14)** | 81.0 % (80.0 % to 82.0 %) | 50.0 % | 0, 1, 2 | 1,234 | 175 | 140 | abc1234 | A <CPU>, 2 cores, 16 GB |',
    '| - | real clips | 3.25 (3 to 3.5) | 98.5 % | 96.2 % | - | - | - | - | - | - |',
  ]);
});

it('has the means at every number of passes', () => {
  expect(formatMinutes([first], 3)).toContain(
    `| date | what was changed | 1 pass | 2 passes | 4 passes | 8 passes |
| --: | --- | --: | --: | --: | --: |
| 2026-01-31 | the beginning | 48, 81.0 %, 50.0 % | 24, 81.0 %, 50.0 % | 12, 81.0 %, 50.0 % | 6, 81.0 %, 50.0 % |
`,
  );
});

it('has rules, and two tables for each number of minutes, the fewest first', () => {
  expect(formatRecord([])).toMatch(/## Rules.*There is no entry yet\.\n$/s);
  const page = formatRecord([second, first]);
  expect([...page.matchAll(/^## (.*)/gm)].map(([, heading]) => heading)).toEqual([
    ...['Rules', 'How it is timed and measured', 'After 3 minutes', 'After 10 minutes'],
  ]);
  expect(formatMinutes([syntheticEntry('', [1], { minutes: 1 })], 1)).toMatch(/^## After 1 minute\n/);
  expect(page).toContain('| Muon \\| AdamW | **8** |');
});

it('is what the committed page says of the committed entries', () => {
  const committed = (file: string) => fileURLToPath(new URL(`../../../${file}`, import.meta.url));
  expect(readFileSync(committed(PAGE), 'utf8')).toBe(formatRecord(readEntries(committed(RECORD_FILE))));
});
