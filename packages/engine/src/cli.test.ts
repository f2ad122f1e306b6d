import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWorld, startProcess, type World } from '../fixtures/tiny-world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => rmSync(world.folder, { recursive: true }));

it('ends a failed set-up with what is wrong and the way out, without a stack, and code 1', async () => {
  const env = { ...world.env, EFLOW_TENSORFLOW: '/missing' };
  const { code, output } = await startProcess('src/cli.ts', ['setup'], env).done;
  expect(output).toMatch(
    /^\neflow-engine: \/missing is no TensorFlow library: it does not exist\.\nGive a folder with .*\n$/,
  );
  expect(code).toBe(1);
});

it('ends as ever where nobody reads its output', async () => {
  const { child, done } = startProcess('src/cli.ts', ['doctor'], world.env);
  child.stdout!.destroy();
  const { code, output } = await done;
  expect(output).toBe(''); // no EPIPE
  expect(code).toBe(1); // the engine is not set up in this world
});
