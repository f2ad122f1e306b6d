import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const packages = fileURLToPath(new URL('../packages/', import.meta.url));

/** The engine comes first, so that examples run on TensorFlow, as they would in a program that uses it. */
const ENGINE = `import { useTensorFlow as useEngineOfTheTest } from '../engine/src/index.ts';\nawait useEngineOfTheTest();\n`;

describe.each(readdirSync(packages))('the README of @eflow/%s', (name) => {
  const readme = readFileSync(join(packages, name, 'README.md'), 'utf8');
  const examples = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);

  it('has an example', () => expect(readme).toMatch(/^```(ts|sh)\n/m)); // what is only a command has none to import

  it.each(examples.map((code, i) => [i + 1, code] as const))('example %i runs', (number, code) => {
    // Beside package.json, so that the package's own name resolves to it.
    const file = join(packages, name, `example-${number}.tmp.ts`);
    writeFileSync(file, name === 'engine' ? code : ENGINE + code);
    try {
      const args = ['--import', 'tsx', '--conditions=@eflow/source', file];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(stdout).not.toBe('');
    } finally {
      rmSync(file);
    }
  });
});
