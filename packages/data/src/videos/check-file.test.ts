import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkFile } from './check-file.ts';

let base: string;
let root: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'check-'));
  root = join(base, 'root');
  mkdirSync(join(root, 'sub'), { recursive: true });
  writeFileSync(join(root, '..name.mp4'), 'x');
  writeFileSync(join(root, 'a.mp4'), 'x');
  writeFileSync(join(base, 'b.mp4'), 'x');
  symlinkSync('self.mp4', join(root, 'self.mp4'));
});
afterAll(() => rmSync(base, { recursive: true }));

it.each([['a.mp4'], ['sub/../a.mp4'], ['..name.mp4']])('takes %s', (path) => {
  expect(checkFile(root, { path }, 10)).toBe(join(root, path));
});

it('takes an absolute path that lies inside', () => {
  expect(checkFile(root, { path: join(root, 'a.mp4') }, 10)).toBe(join(root, 'a.mp4'));
});

it.each([
  ['missing', 'c.mp4', /paths begin at .*root$/],
  ['missing', 'a.mp4/b.mp4', /ENOTDIR/],
  ['missing', '/nowhere/c.mp4', /its path is absolute, and nothing is there/],
  ['missing', 'https://example.org/c.mp4', /it is a URL; download the file and give its path from .*root on/],
  ['missing', 's3://bucket/c.mp4', /it is a URL/],
  ['missing', 'C:/videos/c.mp4', /it begins with a drive; give its path from/],
  ['missing', '~/c.mp4', /~ stands for no folder here; give its path from/],
  ['outside', '../b.mp4', /leads out of .*root, where paths begin/],
  ['outside', '/dev/null', /leads out of/],
  ['unreadable', `${'n'.repeat(300)}.mp4`, /cannot be read \(ENAMETOOLONG\)/],
  ['unreadable', 'self.mp4', /cannot be read \(ELOOP\)/],
  ['not-a-file', 'sub', /is no regular file/],
])('rejects as %s: %s', (code, path, problem) => {
  expect(() => checkFile(root, { path }, 10)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(problem) }),
  );
});
