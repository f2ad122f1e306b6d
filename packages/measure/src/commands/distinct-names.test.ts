import { expect, it } from 'vitest';
import { distinctNames } from './distinct-names.ts';

it.each([
  [
    ['before.json', 'after.json'],
    ['before', 'after'],
  ],
  [
    ['a/fvd.json', 'b/fvd.json', 'c.json'],
    ['a/fvd', 'b/fvd', 'c'],
  ],
  [
    ['/x/1/fvd.json', '/y/1/fvd.json'],
    ['x/1/fvd', 'y/1/fvd'],
  ],
  [
    ['/fvd.json', '/a/fvd.json'],
    ['/fvd', 'a/fvd'],
  ],
])('names %j by the shortest ends that differ', (files, names) => expect(distinctNames(files)).toEqual(names));
