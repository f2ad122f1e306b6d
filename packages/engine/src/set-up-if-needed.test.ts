import { afterEach, expect, it, vi } from 'vitest';
import { setUpIfNeeded } from './setup.ts';

afterEach(() => vi.unstubAllEnvs());

it('does and says nothing where TensorFlow is set up, and begins a set-up where it is not', async () => {
  const said = vi.spyOn(process.stderr, 'write');
  await setUpIfNeeded();
  expect(said).not.toHaveBeenCalled();
  said.mockRestore();
  vi.stubEnv('EFLOW_TENSORFLOW', '');
  vi.stubEnv('EFLOW_CACHE', '/dev/null/nowhere');
  await expect(setUpIfNeeded()).rejects.toThrow('The cache folder cannot be written');
});
