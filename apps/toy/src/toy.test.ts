import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'toy-'));
afterAll(() => rmSync(root, { recursive: true }));

function toy(...args: string[]) {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const node = ['--import', 'tsx', '--conditions=@eflow/source', main, ...args];
  return spawnSync(process.execPath, node, { encoding: 'utf8', timeout: 1_000_000 }); // only a hang takes that long
}

describe('toy as a command', () => {
  it('writes figures, table and pictures', () => {
    const out = join(root, 'quick');
    const { status, stdout, stderr } = toy('--objectives', 'eflow', '--steps', '5', '--seed', '3', '--out', out);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain('EFlow');
    expect(stdout).toContain(readFileSync(join(out, 'toy.md'), 'utf8'));

    const { settings, references, objectives } = JSON.parse(readFileSync(join(out, 'toy.json'), 'utf8'));
    expect(settings.seed).toBe(3);
    expect(objectives).toMatchObject([{ spec: { kind: 'eflow', weightPower: 0 }, updates: 5 }]);
    const { energyDistance } = objectives[0];
    expect(Object.keys(energyDistance)).toEqual(['1', '2', '4', '8', '50']);
    // Nothing is learnt in five steps.
    for (const distance of Object.values(energyDistance)) expect(distance).toBeGreaterThan(2 * references.otherData);

    const svg = readFileSync(join(out, 'toy.svg'), 'utf8');
    for (const label of ['EFlow', '50 steps', references.otherData.toFixed(4)]) expect(svg).toContain(label);
    expect([...readFileSync(join(out, 'toy.png')).subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
  });

  it.each([
    [['--objectives', 'eflow,ddpm'], "'ddpm' is not among flowMatching, solutionFlow, eflow, meanFlow, splitMeanFlow"],
    [['--steps', '0'], 'expected an integer of at least 1'],
    [['--seconds', '0'], 'expected a positive number'],
    [['--steps', '5', '--seconds', '5'], 'cannot be used with'],
    [['--steps', '5', '--weight-power', '1e300'], 'the loss is Infinity'],
  ])('%j: one clear error, and no files', (args, message) => {
    const out = join(root, 'other');
    const { status, stderr } = toy('--out', out, ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(existsSync(out)).toBe(false);
  });
});
