import { expect, it } from 'vitest';
import { findDifferences } from './find-differences.ts';

it('names the values that differ by their dotted keys, as JSON', () => {
  const before = { seed: 0, network: { depth: [1, 4, 1], mlp: 'gelu' }, path: { kind: 'a', gap: 1 } };
  const after = { seed: 0, network: { depth: [1, 2, 1], mlp: 'gelu' }, path: { kind: 'b', width: null } };
  expect(findDifferences(before, after)).toEqual([
    { key: 'network.depth', before: '[1,4,1]', after: '[1,2,1]' },
    { key: 'path.kind', before: '"a"', after: '"b"' },
    { key: 'path.gap', before: '1', after: 'absent' },
    { key: 'path.width', before: 'absent', after: 'null' },
  ]);
  expect(findDifferences(before, structuredClone(before))).toEqual([]);
});
