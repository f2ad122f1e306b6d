import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findMeasurements } from './find-measurements.ts';

const root = mkdtempSync(join(tmpdir(), 'measurements-'));
afterAll(() => rmSync(root, { recursive: true }));

const measured = (frechetDistance: number, more: object = {}) => ({
  protocol: { extractor: 'test', numReal: 3 },
  frechetDistance,
  ...more,
});

function find(name: string, text: string) {
  const file = join(root, name);
  writeFileSync(file, text);
  return findMeasurements(file).map(({ what, measurement }) => [what, measurement.frechetDistance]);
}

describe('findMeasurements', () => {
  const results = [measured(3, { step: 0, numSteps: 1 }), measured(2, { step: 9, numSteps: 4 })];

  it('takes one, the results of an evaluation, those of a cell, and the whole lines of a training', () => {
    expect(find('one.json', JSON.stringify(measured(5)))).toEqual([['', 5]]);
    const ofEvaluation = [
      ['step 0, 1 step', 3],
      ['step 9, 4 steps', 2],
    ];
    expect(find('evaluation.json', JSON.stringify({ real: measured(1), results }))).toEqual(ofEvaluation);
    const cell = { evaluations: [{ results }, { results: [measured(7, { numSteps: 2 })] }] };
    expect(find('cell.json', JSON.stringify(cell))).toEqual([...ofEvaluation, ['2 steps', 7]]);
    const lines = [measured(4, { step: 10 }), measured(3, { step: 20 })].map((line) => JSON.stringify(line));
    expect(find('measurements.jsonl', `${lines.join('\n')}\n{"step": 30, "prot`)).toEqual([
      ['step 10', 4],
      ['step 20', 3],
    ]);
  });

  it.each([
    ['none.json', '[]', 'it holds no protocol and distance'],
    ['half.json', JSON.stringify({ protocol: {} }), 'it holds no protocol and distance'],
    ['old.json', JSON.stringify({ protocol: {}, results: [{ frechetDistance: 1 }] }), 'measure again'],
    ['old-cell.json', JSON.stringify({ evaluations: [{ protocol: {}, results: [] }] }), 'measure again'],
    ['torn.json', '{', 'JSON'],
  ])('refuses %s', (name, text, message) => {
    expect(() => find(name, text)).toThrow(message);
    expect(() => find(name, text)).toThrow(join(root, name));
  });
});
