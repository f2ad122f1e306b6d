import { describe, expect, it } from 'vitest';
import { orderClasses, UNLABELLED } from './shards.ts';

describe('orderClasses', () => {
  it.each([
    ['integers by value', ['10', '2', '0', '2', '-3'], ['-3', '0', '2', '10']],
    ['one integer written twice by text', ['1', '2', '01', '+1'], ['+1', '01', '1', '2']],
    ['integers beyond 2^53', ['9007199254740993', '9007199254740992'], ['9007199254740992', '9007199254740993']],
    ['names by text', ['dog', 'Cat', '10', '2'], ['10', '2', 'Cat', 'dog']],
    ['fractions by text', ['10.5', '2'], ['10.5', '2']],
    ['what has no label last', [UNLABELLED, 'waves', 'ants'], ['ants', 'waves', UNLABELLED]],
    ['what has no label after integers', ['10', UNLABELLED, '2'], ['2', '10', UNLABELLED]],
    ['nothing', [], []],
  ])('puts %s', (_, labels, classes) => expect(orderClasses(labels)).toEqual(classes));
});
