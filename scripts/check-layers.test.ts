import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
// @ts-expect-error: a plain script without declarations
import { findViolations } from './check-layers.mjs';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

interface Folder {
  dependencies?: string[];
  devDependencies?: string[];
  source: string;
  /** Where the text stands: src/index.ts unless given. */
  file?: string;
}

const manifest = (name: string, { dependencies = [], devDependencies = [] }: Folder) => {
  const list = (names: string[]) => Object.fromEntries(names.map((dependency) => [dependency, 'workspace:^']));
  return JSON.stringify({ name, dependencies: list(dependencies), devDependencies: list(devDependencies) });
};

/** A repository of folders, such as nn or apps/train, each with its dependencies and one source. */
function repository(folders: Record<string, Folder>): string {
  const root = mkdtempSync(join(tmpdir(), 'layers-'));
  roots.push(root);
  for (const [name, folder] of Object.entries(folders)) {
    const at = join(root, name.includes('/') || name === 'bench' ? name : `packages/${name}`);
    const file = join(at, folder.file ?? 'src/index.ts');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, folder.source);
    writeFileSync(join(at, 'package.json'), manifest(`@eflow/${name}`, folder));
  }
  return root;
}

it('passes this repository', () => {
  expect(findViolations(fileURLToPath(new URL('..', import.meta.url)))).toEqual([]);
});

const cli = "import '@eflow/cli';";
const run = "import '@eflow/run';";
const film = "import '../../../packages/data/fixtures/films.ts';";

it.each<[string, Record<string, Folder>]>([
  [
    'a package what is below it',
    { 'video-dit': { dependencies: ['@eflow/tensor'], source: "import '@eflow/tensor';" } },
  ],
  ['a file its neighbours', { nn: { source: "export * from './block.ts';" } }],
  [
    'a test what devDependencies list, upwards too',
    { nn: { devDependencies: ['@eflow/run'], file: 'src/a.test.ts', source: run } },
  ],
  ['a command what is bundled', { data: { devDependencies: ['@eflow/cli'], file: 'src/cli.ts', source: cli } }],
  [
    'what a command alone uses, too',
    { data: { devDependencies: ['@eflow/cli'], file: 'src/commands/prepare.ts', source: cli } },
  ],
  [
    'an app packages and internal folders',
    { 'apps/train': { dependencies: ['@eflow/run', '@eflow/cli'], source: run + cli } },
  ],
  ['internal folders fixtures', { 'internal/faults': { source: film } }],
])('lets %s', (_case, folders) => {
  expect(findViolations(repository(folders))).toEqual([]);
});

it('wants what apps depend on as dependencies of the command that builds them in', () => {
  const app = { dependencies: ['yaml', '@eflow/run', '@eflow/cli'], source: '' };
  const internal = { dependencies: ['commander'], source: '' };
  const missing = (dependencies: string[]) => {
    const root = repository({
      run: { source: '' },
      'apps/train': app,
      'internal/cli': internal,
      eflow: { dependencies, source: '' },
    });
    writeFileSync(join(root, 'packages/eflow/tsup.config.ts'), "entry: { train: '../../apps/train/src/main.ts' }");
    return findViolations(root);
  };
  expect(missing(['yaml', '@eflow/run', 'commander'])).toEqual([]);
  expect(missing(['yaml'])).toEqual(
    ['@eflow/run', 'commander'].map(
      (name) => `packages/eflow: lacks ${name} in its dependencies, which apps/train needs`,
    ),
  );
});

it.each<[string, Record<string, Folder>, string]>([
  [
    'sideways',
    { flow: { dependencies: ['@eflow/nn'], source: "import '@eflow/nn';" } },
    'layer 1 is not below layer 1',
  ],
  [
    'up',
    { tensor: { dependencies: ['@eflow/nn'], source: "export { x } from '@eflow/nn';" } },
    'layer 1 is not below layer 0',
  ],
  ['unlisted', { nn: { source: "import { x } from '@eflow/tensor';" } }, "not in its package.json's dependencies"],
  ['unlisted, of an app', { 'apps/train': { source: run } }, "not in its package.json's dependencies"],
  ['unlisted, of a test', { nn: { file: 'src/a.test.ts', source: run } }, 'or devDependencies'],
  ['relative', { nn: { source: "import { x } from '../../tensor/src/index.ts';" } }, 'outside its own folder'],
  [
    'relative, of a test',
    { nn: { file: 'src/a.test.ts', source: "import '../../run/src/index.ts';" } },
    'outside its own folder',
  ],
  ['to fixtures of another, of a package', { nn: { source: film } }, 'outside its own folder'],
  [
    'to an app',
    { 'apps/demo': { dependencies: ['@eflow/app-train'], source: "import '@eflow/app-train';" } },
    'never imported',
  ],
  ['into an app', { bench: { source: "import '../../apps/train/src/train.ts';" } }, 'outside its own folder'],
  ['to what users lack', { data: { devDependencies: ['@eflow/cli'], source: cli } }, 'only a command'],
  ['to what a command alone uses', { data: { source: "import './commands/prepare.ts';" } }, 'only a command'],
  ['the runtime', { nn: { source: "const tf = await import('@tensorflow/tfjs-node-gpu');" } }, 'only the engine may'],
  ['to an install script', { engine: { dependencies: ['@tensorflow/tfjs-node-gpu'], source: '' } }, 'install script'],
  ['unknown', { novel: { source: '' } }, 'has no layer'],
])('refuses an import that goes %s', (_case, folders, message) => {
  const violations = findViolations(repository(folders));
  expect(violations).toHaveLength(1);
  expect(violations[0]).toContain(message);
});
