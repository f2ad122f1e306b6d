import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'bench-stopped-'));
afterAll(() => rmSync(root, { recursive: true }));

function bench(...args: string[]) {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=@eflow/source', main, ...args]);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.on('data', (text) => {
    output.stderr += text;
  });
  return { child, ended: once(child, 'close'), output };
}

/** Resolves when the folder has changed; at once if the file in it is there. */
async function appears(folder: string, name: string): Promise<void> {
  const changes = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await once(changes, 'change');
  } finally {
    changes.close();
  }
}

describe('a benchmark that is stopped', () => {
  it.each([
    ['attention', '--kinds', 'softmax', '--only', 'composed', '--tokens', '64', '--heads', '1', '--head-dim', '8'],
    ['data', '--clips', '1'],
  ])('%s: keeps what was measured until then, and says so', async (...command) => {
    const folder = join(root, command[0]!);
    mkdirSync(folder);
    const file = join(folder, 'report.json');
    const { child, ended, output } = bench(...command, '--rounds', '10000', '--json', file);
    await Promise.race([appears(folder, 'report.json'), ended]);
    child.kill('SIGINT');
    expect(await ended, output.stderr).toEqual([130, null]);
    expect(output.stderr).toContain('Stopped: here is what was measured until now.');
    expect(output.stderr).toContain('The same command begins anew.');
    expect(output.stdout).toContain(file);
    const report = JSON.parse(readFileSync(file, 'utf8'));
    expect(report).toMatchObject({ complete: false, machine: { node: process.versions.node } });
    const rates = report.comparisons?.[0].entries[0].forward.summary ?? report.prepare;
    expect(rates.median).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual(['report.json']);
  });

  it('says that nothing was measured before the first round', async () => {
    const { child, ended, output } = bench('data', '--clips', '1', '--json', join(root, 'early.json'));
    while (!output.stderr.includes('to go')) await Promise.race([once(child.stderr, 'data'), ended]);
    child.kill('SIGTERM');
    expect(await ended).toEqual([130, null]);
    expect(output.stderr).toContain('Stopped before a round was measured.');
    expect(existsSync(join(root, 'early.json'))).toBe(false);
  });

  it('is refused before it begins where its file could not be written', async () => {
    const { ended, output } = bench('data', '--clips', '1', '--json', root);
    expect(await ended).toEqual([1, null]);
    expect(output.stderr).toContain(`--json ${root} is no file`);
  });
});
