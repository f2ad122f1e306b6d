// What `npm start`, `npm test` and `npm run check` do: make everything ready that is not, then run the task. Plain
// JavaScript without dependencies, since at first nothing is installed. `check:static` is `check` without the tests.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { constants, homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const MINIMUM_NODE = [20, 19];
const FROM_SOURCES = ['--import', 'tsx', '--conditions=@eflow/source'];
/** Packages with native kernels, which are compiled before a task and not in the middle of it. */
const NATIVE_PACKAGES = ['packages/attention', 'packages/nn'];
const STATIC_CHECKS = ['lint', 'types', 'unused', 'layers', 'packed'];

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const cache = process.env.EFLOW_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eflow');
const env = cleanEnvironment(process.env);

const TASKS = {
  start: (args) => run('node', [...FROM_SOURCES, 'apps/demo/src/main.ts', ...args]),
  test: (args) => run('vitest', ['run', ...args]),
  check: (args) => runChecks([...STATIC_CHECKS, 'tests'], args),
  'check:static': () => runChecks(STATIC_CHECKS, []),
};

await main();

async function main() {
  const [name, ...args] = process.argv.slice(2);
  if (!Object.hasOwn(TASKS, name)) fail(`Usage: node scripts/run.mjs ${Object.keys(TASKS).join('|')} [arguments]`);
  requireNode();
  await installPackages();
  await setUpEngine();
  process.exitCode = await TASKS[name](args);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  fail(`Node.js ${process.versions.node} is too old.`, `Install Node.js ${MINIMUM_NODE.join('.')} or later.`);
}

/** Installs the packages of the lock file, unless that was done for these very files. */
async function installPackages() {
  const stampFile = join(ROOT, 'node_modules', '.eflow-install');
  const stamp = hashManifests();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  const pnpm = await findPnpm();
  say('Installing the JavaScript packages of pnpm-lock.yaml: a few hundred megabytes, about a minute the first time.');
  const code = await run(pnpm, ['install', '--frozen-lockfile', '--prefer-offline']);
  if (code !== 0)
    fail('The packages could not be installed; pnpm says why above.', 'Check the network, then run this again.', code);
  writeFileSync(stampFile, stamp);
}

/** A hash of everything that an install depends on. */
function hashManifests() {
  const workspace = readFileSync(join(ROOT, 'pnpm-workspace.yaml'), 'utf8');
  const entries = [...workspace.matchAll(/^ {2}- ['"]?([\w-]+)(\/\*)?['"]?$/gm)];
  const packages = entries.flatMap(([, folder, all]) => {
    if (!all) return [join(folder, 'package.json')];
    const names = existsSync(join(ROOT, folder)) ? readdirSync(join(ROOT, folder)).sort() : [];
    return names.map((name) => join(folder, name, 'package.json'));
  });
  const hash = createHash('sha256').update(process.arch).update(workspace);
  for (const file of ['pnpm-lock.yaml', 'package.json', ...packages]) {
    if (existsSync(join(ROOT, file))) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest('hex');
}

/** The pnpm that package.json names: the one on the PATH if it is that version, else a copy of our own in the cache. */
async function findPnpm() {
  const version = manifest.packageManager.split('@')[1];
  const onPath = spawnSync('pnpm', ['--version'], { cwd: ROOT, env, encoding: 'utf8' });
  if (onPath.status === 0 && onPath.stdout.trim() === version) return 'pnpm';
  const folder = join(cache, `pnpm-${version}`);
  const binaries = join(folder, 'node_modules', '.bin');
  if (!existsSync(folder)) {
    say(`Fetching pnpm ${version}, which installs the packages: about 30 MB, once.`);
    mkdirSync(cache, { recursive: true });
    const temporary = mkdtempSync(`${folder}.tmp-`);
    const code = await run('npm', [
      'install',
      '--prefix',
      temporary,
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `pnpm@${version}`,
    ]);
    if (code !== 0) rmSync(temporary, { recursive: true, force: true });
    if (code !== 0)
      fail(
        `pnpm ${version} could not be fetched; npm says why above.`,
        'Check the network, or install that version of pnpm yourself.',
        code,
      );
    renameUnlessThere(temporary, folder);
  }
  env.PATH = binaries + delimiter + env.PATH;
  return join(binaries, 'pnpm');
}

/** Two first runs at once may both have fetched it: the first rename wins. */
function renameUnlessThere(temporary, folder) {
  try {
    renameSync(temporary, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function setUpEngine() {
  const native = NATIVE_PACKAGES.filter((folder) => existsSync(join(ROOT, folder, 'native')));
  const options = ['--if-needed', ...(native.length > 0 ? ['--native', ...native] : [])];
  const code = await run('node', [...FROM_SOURCES, 'packages/engine/src/cli.ts', 'setup', ...options]);
  if (code !== 0) process.exit(code);
}

/** Runs the checks in order, stops at the first that fails, and closes with a summary. */
async function runChecks(checks, args) {
  await findPnpm(); // the build of the packed packages calls it
  const rows = [];
  let code = 0;
  for (const name of checks) {
    if (code !== 0) {
      rows.push(`  -       ${name}`);
      continue;
    }
    say(`\n> ${name}`);
    const start = Date.now();
    code = name === 'tests' ? await TASKS.test(args) : await run(manifest.scripts[name], [], { shell: true });
    rows.push(`  ${code === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${((Date.now() - start) / 1000).toFixed(1)} s`);
  }
  say(`\n${rows.join('\n')}\n${code === 0 ? 'Everything passes.' : 'Stopped at the first failure.'}`);
  return code;
}

/** Runs a command from the root and resolves to its exit code; signals to this process reach the command too. */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const program = command === 'node' ? process.execPath : command;
    const child = spawn(program, args, { cwd: ROOT, env, stdio: 'inherit', ...options });
    // A terminal sends Ctrl-C to every process of the group itself; a second one would ask for an immediate exit.
    const forward = (signal) => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal));
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    const finish = (code) => {
      for (const signal of signals) process.off(signal, forward);
      resolve(code);
    };
    child.on('error', (error) => {
      say(`${command} could not be started: ${error.message}`);
      finish(127);
    });
    child.on('exit', (code, signal) => finish(code === null ? 128 + constants.signals[signal] : code));
  });
}

/**
 * The environment for child processes, without what npm adds for scripts and pnpm would take as its own settings, and
 * without empty folders of XDG, in whose place pnpm would take this one.
 */
function cleanEnvironment(source) {
  const kept = Object.entries(source).filter(([name, value]) => {
    if (/^XDG_/.test(name)) return value !== '';
    if (!/^npm_/.test(name)) return true;
    return value !== '' && /^npm_config_(registry|\w*proxy|ca|cafile|strict_ssl|userconfig|globalconfig)$/.test(name);
  });
  const PATH = join(ROOT, 'node_modules', '.bin') + delimiter + (source.PATH || '');
  return { ...Object.fromEntries(kept), PATH };
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(what, wayOut = '', code = 1) {
  say(wayOut ? `${what}\n${wayOut}` : what);
  process.exit(code);
}
