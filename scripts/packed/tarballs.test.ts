import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { run } from './run.mjs';
import { findProblems } from './tarballs.mjs';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const SOUND = {
  name: '@eflow/example',
  version: '1.0.0',
  description: 'An example.',
  keywords: ['example'],
  license: 'Apache-2.0',
  type: 'module',
  engines: { node: '>=20.19' },
  publishConfig: { access: 'public' },
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
};
const FILES = {
  'README.md': '# An example\n',
  LICENSE: 'Apache-2.0\n',
  'dist/index.js': 'export const one = 1;\n',
  'dist/index.d.ts': 'export declare const one: 1;\n',
};

/** Packs files as npm does, and looks for problems. */
async function problemsOf(manifest: object, files: Record<string, string>, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-tarball-'));
  folders.push(folder);
  const all = { ...files, 'package.json': JSON.stringify(manifest) };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, 'package', name)), { recursive: true });
    writeFileSync(join(folder, 'package', name), text);
  }
  const tarball = join(folder, 'example.tgz');
  await run('tar', ['czf', tarball, '-C', folder, ...Object.keys(all).map((name) => `package/${name}`)]);
  return findProblems({ tarball, manifest }, options);
}

it('finds nothing wrong with a sound tarball, of whatever version', async () => {
  expect(await problemsOf(SOUND, FILES)).toEqual([]);
});

it('finds a tarball without what was built', async () => {
  const { 'dist/index.js': _, 'dist/index.d.ts': __, ...sources } = FILES;
  expect(await problemsOf(SOUND, sources)).toEqual(
    expect.arrayContaining(['lacks ./dist/index.js', 'lacks ./dist/index.d.ts']),
  );
});

it.each([
  ['a test', SOUND, { 'src/one.test.ts': 'export {};' }, 'publishes package/src/one.test.ts'],
  ['an install script', { ...SOUND, scripts: { postinstall: 'node x.js' } }, {}, 'has an install script, postinstall'],
  [
    'a workspace version',
    { ...SOUND, dependencies: { a: 'workspace:^' } },
    {},
    'publishes workspace: or catalog: versions',
  ],
  ['no keywords', { ...SOUND, keywords: undefined }, {}, 'its package.json lacks keywords'],
])('finds %s', async (_, manifest, more, problem) => {
  expect(await problemsOf(manifest, { ...FILES, ...more })).toContain(problem);
});

it('asks for the address of the repository before a release', async () => {
  const [problem] = await problemsOf(SOUND, FILES, { forRelease: true });
  expect(problem).toContain('node scripts/name-repository.mjs');
});
