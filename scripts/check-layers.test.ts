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

/** A repository of packages, each with its dependencies and the text of src/index.ts. */
function repository(packages: Record<string, { dependencies?: string[]; source: string }>): string {
  const root = mkdtempSync(join(tmpdir(), 'layers-'));
  roots.push(root);
  for (const [name, { dependencies = [], source }] of Object.entries(packages)) {
    const file = join(root, 'packages', name, 'src/index.ts');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, source);
    const listed = Object.fromEntries(dependencies.map((dependency) => [dependency, 'workspace:^']));
    writeFileSync(join(root, 'packages', name, 'package.json'), JSON.stringify({ dependencies: listed }));
  }
  return root;
}

it('passes this repository', () => {
  expect(findViolations(fileURLToPath(new URL('..', import.meta.url)))).toEqual([]);
});

it('lets imports go down', () => {
  const root = repository({
    tensor: { source: '' },
    'video-dit': {
      dependencies: ['@eflow/tensor'],
      source: "import { a } from '@eflow/tensor';\nexport * from './block.ts';",
    },
  });
  expect(findViolations(root)).toEqual([]);
});

it.each([
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
  ['relative', { nn: { source: "import { x } from '../../tensor/src/index.ts';" } }, 'outside its own package'],
  ['the runtime', { nn: { source: "const tf = await import('@tensorflow/tfjs-node-gpu');" } }, 'only the engine may'],
  ['unknown', { novel: { source: '' } }, 'has no layer'],
])('refuses an import that goes %s', (_case, packages, message) => {
  const violations = findViolations(repository(packages));
  expect(violations).toHaveLength(1);
  expect(violations[0]).toContain(message);
});
