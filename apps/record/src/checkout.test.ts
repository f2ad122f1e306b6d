import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readCheckout } from './checkout.ts';

const root = mkdtempSync(join(tmpdir(), 'checkout-'));
afterAll(() => rmSync(root, { recursive: true }));

const write = (file: string, text: string) => writeFileSync(join(root, file), text);
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: root, encoding: 'utf8' });

it('names the commit and every file that was changed since, but for the record', () => {
  expect(() => readCheckout(root)).toThrow('in no git repository');
  mkdirSync(join(root, 'docs/results'), { recursive: true });
  mkdirSync(join(root, 'src'));
  write('src/a.ts', 'first');
  write('docs/results/record.json', '[]');
  write('docs/results/other.md', '');
  write('.gitignore', 'runs');
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '--message', 'First');
  const commit = git('rev-parse', '--short', 'HEAD').trim();
  write('docs/results/record.json', '[1]');
  write('docs/results/record.md', 'new');
  write('runs', 'ignored');
  const read = () => readCheckout(join(root, 'src'));
  expect(read()).toEqual({ commit, changes: [], id: commit });

  write('src/a.ts', 'second');
  write('docs/results/other.md', 'changed');
  const second = read();
  expect(second).toMatchObject({ commit, changes: [' M docs/results/other.md', ' M src/a.ts'] });
  expect(read()).toEqual(second);
  write('src/a.ts', 'third');
  const third = read();
  write('src/b.ts', 'new');
  const fourth = read();
  expect(fourth.changes).toContain('?? src/b.ts');
  write('src/b.ts', 'newer');
  const ids = [commit, second.id, third.id, fourth.id, read().id];
  expect(new Set(ids).size).toBe(5);
  for (const id of ids.slice(1)) expect(id).toMatch(new RegExp(`^${commit}-[0-9a-f]{7}$`));
});
