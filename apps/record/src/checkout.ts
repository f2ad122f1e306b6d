import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';

/** The record itself may have changed since the commit: an entry that has just been added does not keep the next one out. */
const CODE = ['--', ':(top)', ':(top,exclude)docs/results/record.*'];

/** The code that is measured. */
export interface Checkout {
  commit: string;
  /** Files that were changed since the commit, or are new, as git's status has them. */
  changes: string[];
  /** The commit, and, where there are changes, a hash of them. */
  id: string;
}

/** The checkout that `folder` lies in. Throws where there is none. */
export function readCheckout(folder = import.meta.dirname): Checkout {
  const git = (args: readonly string[], cwd = folder, input = '') =>
    execFileSync('git', args, { cwd, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }).trimEnd();
  let top: string;
  try {
    top = git(['rev-parse', '--show-toplevel']);
  } catch {
    throw new Error(`${folder} is in no git repository, and the record names commits; work in a clone`);
  }
  const commit = git(['rev-parse', '--short', 'HEAD'], top);
  const changes = git(['status', '--porcelain', '--untracked-files=all', ...CODE], top);
  if (changes === '') return { commit, changes: [], id: commit };
  const untracked = git(['ls-files', '--others', '--exclude-standard', ...CODE], top);
  const contents = untracked === '' ? '' : git(['hash-object', '--stdin-paths'], top, untracked);
  const hash = shortHash(changes, git(['diff', 'HEAD', ...CODE], top), contents);
  return { commit, changes: changes.split('\n'), id: `${commit}-${hash}` };
}

/** Seven hexadecimal digits that tell texts apart. */
export const shortHash = (...texts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 7);
