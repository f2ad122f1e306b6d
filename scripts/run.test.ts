import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const TSX = dirname(createRequire(import.meta.url).resolve('tsx/package.json'));

// A small stand-in for the repository around the real run.mjs: pnpm "installs" the real tsx and a vitest of one line,
// and notes that it was called. Everything else is as it would be: processes, files, signals, exit codes.
const PNPM = (version: string, root: string) => `#!/bin/sh
if [ "$1" = --version ]; then echo ${version}; exit; fi
echo "pnpm $* prefix=$npm_config_prefix registry=$npm_config_registry" >> ${root}/calls
env | grep ^XDG_ > ${root}/folders
[ -e ${root}/no-network ] && exit 5
mkdir -p ${root}/node_modules/.bin
ln -sf ${TSX} ${root}/node_modules/tsx
printf '#!/bin/sh\\necho "vitest $*"; exit \${VITEST_EXIT:-0}\\n' > ${root}/node_modules/.bin/vitest
chmod +x ${root}/node_modules/.bin/vitest
`;
const DEMO = `console.log('demo', ...process.argv.slice(2));
process.on('SIGTERM', () => process.exit(7));
if (process.argv.includes('--wait')) setTimeout(() => {}, 200_000), console.log('waiting');
else process.exitCode = 3;
`;

let root: string;
let env: Record<string, string>;
const file = (path: string, content: string, mode = 0o644) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'eflow-run-'));
  const scripts = { lint: 'echo linted', types: 'sh types.sh', unused: 'true', layers: 'true', packed: 'true' };
  file('package.json', JSON.stringify({ type: 'module', packageManager: 'pnpm@9.9.9', scripts }));
  file('pnpm-workspace.yaml', 'packages:\n  - packages/*\n');
  file('pnpm-lock.yaml', 'lockfileVersion: 9\n');
  file('types.sh', 'exit 0');
  file('packages/engine/package.json', '{ "type": "module" }');
  file('packages/engine/src/cli.ts', "console.log('engine', ...process.argv.slice(2));\n");
  file('apps/demo/package.json', '{ "type": "module" }');
  file('apps/demo/src/main.ts', DEMO);
  file('bin/pnpm', PNPM('9.9.9', root), 0o755);
  cpSync(fileURLToPath(new URL('run.mjs', import.meta.url)), join(root, 'scripts', 'run.mjs'));
  const node = dirname(process.execPath);
  env = {
    PATH: `${join(root, 'bin')}:${node}:/usr/bin:/bin`,
    HOME: root,
    EFLOW_CACHE: join(root, 'cache'),
  };
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function start(args: string[], extra: Record<string, string> = {}) {
  const command = ['-c', 'exec "$0" "$@" 2>&1', process.execPath, 'scripts/run.mjs', ...args]; // one pipe keeps the order
  const child = spawn('sh', command, { cwd: root, env: { ...env, ...extra }, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const done = new Promise<{ code: number | null; output: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, output })),
  );
  return { child, done, output: () => output };
}
const run = (args: string[], extra?: Record<string, string>) => start(args, extra).done;
const calls = () =>
  existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').trim().split('\n') : [];

describe('run.mjs', () => {
  it('refuses an unknown task and names the known ones', async () => {
    expect(await run(['toString'])).toEqual({
      code: 1,
      output: 'Usage: node scripts/run.mjs start|test|check|check:static [arguments]\n',
    });
  });

  it('installs the first time, sets the engine up, passes arguments in and the exit code out', async () => {
    const { code, output } = await run(['start', '--steps', '5']);
    expect(output).toMatch(/Installing the JavaScript packages.*\nengine setup --if-needed\ndemo --steps 5\n$/s);
    expect(code).toBe(3);
    expect(await run(['test', 'packages/nn'], { VITEST_EXIT: '4' })).toEqual({
      code: 4,
      output: 'engine setup --if-needed\nvitest run packages/nn\n',
    });
    expect(calls()).toHaveLength(1); // the second run installed nothing
  });

  it('installs again when the lock file or the manifest of a workspace package has changed', async () => {
    await run(['test']);
    appendFileSync(join(root, 'pnpm-lock.yaml'), '# changed\n');
    await run(['test']);
    file('packages/other/package.json', '{}');
    await run(['test']);
    await run(['test']);
    expect(calls()).toHaveLength(3);
  });

  it('tries again after an install that failed, whose exit code it returns', async () => {
    file('no-network', '');
    const failed = await run(['test']);
    expect(failed.output).toMatch(/could not be installed.*Check the network/s);
    expect(failed.code).toBe(5);
    rmSync(join(root, 'no-network'));
    expect((await run(['test'])).code).toBe(0);
  });

  it("keeps npm's own settings from pnpm, but not the user's registry", async () => {
    await run(['test'], {
      npm_config_prefix: '/elsewhere',
      npm_config_registry: 'http://localhost:1',
      npm_lifecycle_event: 'test',
    });
    expect(calls()).toEqual(['pnpm install --frozen-lockfile --prefer-offline prefix= registry=http://localhost:1']);
  });

  it('hides empty folders of XDG from what it runs: pnpm would make its cache here', async () => {
    await run(['test'], { XDG_CACHE_HOME: '', XDG_DATA_HOME: '', XDG_STATE_HOME: '/elsewhere' });
    expect(readFileSync(join(root, 'folders'), 'utf8')).toBe('XDG_STATE_HOME=/elsewhere\n');
  });

  it('fetches pnpm into the cache, once, where the PATH has another version', async () => {
    file('bin/pnpm', PNPM('8.0.0', root), 0o755);
    file('right-pnpm', PNPM('9.9.9', root), 0o755);
    file(
      'bin/npm',
      `#!/bin/sh\necho "npm $1 $7" >> ${root}/calls\nmkdir -p "$3/node_modules/.bin" && cp ${root}/right-pnpm "$3/node_modules/.bin/pnpm"\n`,
      0o755,
    );
    expect((await run(['test'])).code).toBe(0);
    appendFileSync(join(root, 'pnpm-lock.yaml'), '# changed\n');
    expect((await run(['test'])).code).toBe(0);
    expect(calls().map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual([
      'npm install',
      'pnpm install',
      'pnpm install',
    ]);
    expect(calls()[0]).toBe('npm install pnpm@9.9.9');
  });

  it('passes SIGTERM on, and the exit code of what it stopped out', async () => {
    const { child, done, output } = start(['start', '--wait']);
    while (!output().includes('waiting') && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGTERM');
    expect((await done).code).toBe(7);
  });

  it('checks in order, stops at the first failure, and closes with a summary', async () => {
    const good = await run(['check']);
    expect(good.output).toMatch(
      /> lint\nlinted\n.*> tests\nvitest run\n.*ok {6}lint .*ok {6}tests .*Everything passes\.\n$/s,
    );
    expect(good.code).toBe(0);
    file('types.sh', 'exit 9');
    const bad = await run(['check']);
    expect(bad.output).toMatch(
      /ok {6}lint .*FAILED {2}types .*- {7}unused\n.*- {7}tests\nStopped at the first failure\.\n$/s,
    );
    expect(bad.output).not.toContain('vitest');
    expect(bad.code).toBe(9);
  });
});
