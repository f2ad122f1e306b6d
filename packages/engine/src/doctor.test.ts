import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createWorld, script, startProcess } from '../fixtures/tiny-world.ts';
import { useTensorFlow } from './use-tensorflow.ts';

const { device } = await useTensorFlow();

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
  const env = { ...world.env, EFLOW_CACHE: '/dev/null/cache' };
  const { code, output } = await startProcess('src/cli.ts', ['doctor'], env).done;
  expect(output).toMatch(/^MISSING C\+\+ compiler +c\+\+ does not work\n +Install one .*g\+\+/m);
  expect(output).toMatch(
    /^MISSING pip +python3 -m pip, .* does not work:\n +exit code 1\n +Install Python 3 with pip/m,
  );
  expect(output).toMatch(
    /^MISSING cache +The cache folder cannot be written: .*\n +Make it writable, or set EFLOW_CACHE/m,
  );
  expect(output).toMatch(/^MISSING library +not set up\n +Run: npx @eflow\/engine setup/m);
  expect(code).toBe(1);
  rmSync(world.folder, { recursive: true });
});

describe('of a GPU', () => {
  const bin = mkdtempSync(join(tmpdir(), 'eflow-doctor-'));
  afterAll(() => rmSync(bin, { recursive: true }));
  const doctor = async (env: Record<string, string> = {}) => {
    const { PATH, CUDA_VISIBLE_DEVICES: _, ...others } = process.env as Record<string, string>;
    return await startProcess('src/cli.ts', ['doctor'], { ...others, PATH: `${bin}:${PATH}`, ...env }).done;
  };
  script(join(bin, 'nvidia-smi'), 'echo "NVIDIA H200, 143771 MiB, 570.86, 9.0"');

  // On a machine whose TensorFlow uses a GPU, this one is as good as there.
  it.runIf(device === 'cpu' && process.arch === 'x64')(
    'says that TensorFlow does not use it, why and what to do, unless it was told not to',
    async () => {
      const { code, output } = await doctor();
      expect(output).toMatch(/^MISSING GPU +NVIDIA H200.*TensorFlow does not use it.*\n +\S/m);
      expect(code).toBe(1);
      const told = await doctor({ CUDA_VISIBLE_DEVICES: '' });
      expect(told.output).toMatch(/^ok {6}GPU +NVIDIA H200.*does not use it, by CUDA_VISIBLE_DEVICES=''$/m);
      expect(told.code).toBe(0);
    },
  );
});
