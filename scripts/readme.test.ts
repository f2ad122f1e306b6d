import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const packages = fileURLToPath(new URL('../packages/', import.meta.url));

/** What TensorFlow.js' cpu backend prints in Node.js. */
const BANNER = /=+\nHi, looks like you are running TensorFlow\.js in Node\.js\.[^=]*=+\n/;
const BUILT_IN = /^node:/;

describe.each(readdirSync(packages))('the README of @eflow/%s', (name) => {
  const readme = readFileSync(join(packages, name, 'README.md'), 'utf8');
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);

  it('has an example', () => expect(readme).toMatch(/^```(ts|sh)\n/m)); // what is only a command has none to import

  it('installs what its examples import', () => {
    const installed = /^ *npm install (.*)/m.exec(readme)?.[1]?.split(/\s+/) ?? [];
    const imported = examples.flatMap((code) =>
      [...code.matchAll(/(?:from|^import) '([^']+)'/gm)].map(([, id]) => id!),
    );
    for (const id of imported.filter((one) => !BUILT_IN.test(one))) {
      expect(installed.map((one) => one.replace(/(.)@.*/, '$1'))).toContain(/^(@[^/]+\/)?[^/]+/.exec(id)![0]);
    }
  });

  it.each(examples.map((code, i) => [i + 1, code] as const))('example %i runs', (number, code) => {
    // Beside package.json, so that the package's own name resolves to it.
    const file = join(packages, name, `example-${number}.tmp.ts`);
    writeFileSync(file, code);
    try {
      const args = ['--import', 'tsx', '--conditions=@eflow/source', file];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect(stderr.replace(BANNER, '').trim()).toBe('');
      expect(status).toBe(0);
      expect(stdout).not.toBe('');
    } finally {
      rmSync(file);
    }
  });
});
