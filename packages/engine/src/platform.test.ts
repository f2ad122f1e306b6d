import { expect, it } from 'vitest';
import { describeMachine, freeDiskBytes, requireDisk, requireMachine } from './platform.ts';

const linux = { node: '22.1.0', platform: 'linux', architecture: 'x64', glibc: '2.31' };

it('accepts this machine and its like', () => {
  expect(['x64', 'arm64']).toContain(requireMachine(describeMachine()));
  expect(requireMachine({ ...linux, architecture: 'arm64', node: '20.19.0', glibc: '2.27' })).toBe('arm64');
});

it.each([
  [{ node: '20.18.3' }, /Node\.js 20\.18\.3 is too old\.\nInstall Node\.js 20\.19 or later/],
  [{ node: '18.20.0' }, /too old/],
  [{ platform: 'darwin', architecture: 'arm64' }, /for darwin arm64\.\n.*Linux on x64 or arm64/],
  [{ platform: 'win32' }, /win32.*\n.*WSL 2/],
  [{ architecture: 'riscv64' }, /riscv64/],
  [{ glibc: undefined }, /has another libc/], // musl
  [{ glibc: '2.17' }, /has 2\.17/],
])('refuses %o', (change, message) => {
  expect(() => requireMachine({ ...linux, ...change })).toThrow(message);
});

it('measures the disk of a folder that does not exist yet', async () => {
  const free = await freeDiskBytes('/tmp/eflow/that/is/not/there');
  expect(free).toBeGreaterThan(0);
  await requireDisk('/tmp/eflow/that/is/not/there', free / 2);
  await expect(requireDisk('/tmp', 1e18)).rejects.toThrow(/needs 1000000000\.0 GB/);
});
