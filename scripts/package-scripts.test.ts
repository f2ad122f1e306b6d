import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const scripts: Record<string, string> = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts;

// A socket's path has at most 107 bytes.
const work = mkdtempSync(join(tmpdir(), 'scripts-'));
const TMPDIR = join(work, 'x'.repeat(120));
mkdirSync(TMPDIR);
afterAll(() => rmSync(work, { recursive: true }));

/** What `pnpm NAME ARGS` does. */
function run(name: string, ...args: string[]) {
  const PATH = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH, TMPDIR };
  return spawnSync('sh', ['-c', [scripts[name], ...args].join(' ')], { cwd: root, env, encoding: 'utf8' });
}

describe("package.json's scripts", () => {
  it('do without the command tsx, which makes a socket in TMPDIR', () => {
    const commands = Object.values(scripts).map((script) => script.split(' ')[0]);
    expect(commands).toContain('node');
    expect(commands).not.toContain('tsx');
  });

  it.each(['data', 'test:resume'])('%s starts where the path of TMPDIR is long', (name) => {
    const { status, stdout, stderr } = run(name, '--help');
    expect(stderr).toBe('');
    expect(stdout).toContain('Usage: ');
    expect(status).toBe(0);
  });
});
