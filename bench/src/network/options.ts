import { integer, list } from '@eflow/cli';
import { InvalidArgumentError } from 'commander';
import { type Depth, TOKENS } from './workload.ts';

export function tokenCounts(text: string): number[] {
  const counts = list(integer(1))(text);
  const unknown = counts.find((count) => !TOKENS.includes(count));
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is not among ${TOKENS.join(', ')}`);
  return counts;
}

export function depth(text: string): Depth {
  const parts = list(integer(1))(text);
  if (parts.length !== 3) throw new InvalidArgumentError('expected blocks of encoder, middle and decoder: 1,2,1');
  return parts as [number, number, number];
}
