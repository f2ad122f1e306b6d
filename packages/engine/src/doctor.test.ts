import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createWorld, script, startProcess } from '../fixtures/tiny-world.ts';

it('finds everything on a machine that is set up', async () => {
  const { code, output } = await startProcess('src/cli.ts', ['doctor'], process.env as Record<string, string>).done;
  expect(output).toMatch(/^ok {6}TensorFlow +2\.\d+\.\d+ on the [cg]pu; an op ran and was right$/m);
  expect(output).toMatch(/^ok {6}native ops +\S/m);
  expect(output).toMatch(/^ok {6}machine +Node\.js \d+/m);
  expect(output).not.toContain('MISSING');
  expect(code).toBe(0);
});

it('names what is missing and the way out on a bare machine', async () => {
  const world = await createWorld();
  for (const name of ['python3', 'python', 'pip3', 'pip', 'c++']) script(join(world.folder, 'bin', name), 'exit 1');
  const { code, output } = await startProcess('src/cli.ts', ['doctor'], world.env).done;
  expect(output).toMatch(/^MISSING C\+\+ compiler +none\n +Install one .*g\+\+/m);
  expect(output).toMatch(/^MISSING pip +none\n +Install Python 3 with pip/m);
  expect(output).toMatch(/^MISSING library +not set up\n +Run: eflow-engine setup/m);
  expect(code).toBe(1);
  rmSync(world.folder, { recursive: true });
});
