#!/usr/bin/env node
// `pnpm packed`: packs every package, looks into the tarballs, publishes them to a registry on 127.0.0.1, and installs each into an
// empty project by npm and by pnpm, where the examples of its README run as they stand. `--nodes 20,22,24` does it on these versions of
// Node.js, `--tarballs` ends after the tarballs, `--only NAME,NAME` installs only these, `--release` refuses manifests that name no repository.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createProject, findNode, readReadme } from './packed/project.mjs';
import { startRegistry } from './packed/registry.mjs';
import { bin, forEach, ROOT, run } from './packed/run.mjs';
import { findProblems, pack, packageFolders } from './packed/tarballs.mjs';

const AT_ONCE = Math.min(4, availableParallelism());
/** The oldest and the newest release of what our peer range takes. */
const OLDEST_TFJS = '4.0.0';

const { values: flags } = parseArgs({
  options: {
    nodes: { type: 'string', default: process.versions.node.split('.')[0] },
    only: { type: 'string' },
    tarballs: { type: 'boolean', default: false },
    release: { type: 'boolean', default: false },
  },
});
const only = flags.only?.split(',');
const isWanted = (name) => only === undefined || only.includes(name);
const cache = process.env.EFLOW_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eflow');

let failures = 0;
const fail = (where, what) => {
  failures++;
  console.error(`${where}: ${what instanceof Error ? what.message : what}`);
};

const folder = mkdtempSync(join(tmpdir(), 'eflow-packed-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

/** Publishes packages one after another; each depends on none that comes later only by name, which npm does not check. */
async function publish(packed, { npmrc }) {
  const project = createProject(join(folder, 'publisher'), { manager: 'npm', node: '', npmrc });
  for (const { tarball } of packed) await project.call('npm', ['publish', '--ignore-scripts', tarball]);
}

/** Installs every package and every example into a project of its own, and runs what is there to run. */
async function install(packed, how) {
  const isFirst = how.manager === 'npm' && how.major === flags.nodes.split(',')[0];
  const rows = [];
  const inProject = async (name, act) => {
    const project = createProject(join(folder, `${how.manager}-${how.major}`, name.replace('/', '-')), how);
    try {
      rows.push({ name, ...(await act(project)) });
    } catch (error) {
      fail(`${name}, ${how.manager}, Node.js ${how.major}`, error);
    }
  };
  await forEach(
    packed.filter(({ manifest }) => isWanted(manifest.name)),
    AT_ONCE,
    ({ folder: name, manifest }) =>
      inProject(manifest.name, (project) => tryPackage(project, name, { ...how, isFirst })),
  );
  const examples = existsSync(join(ROOT, 'examples')) ? readdirSync(join(ROOT, 'examples')) : [];
  await forEach(examples.map((name) => `examples/${name}`).filter(isWanted), AT_ONCE, (name) =>
    inProject(name, (project) => tryExample(project, name, how)),
  );
  if (isWanted('npx eflow')) await inProject('npx eflow', (project) => tryCommand(project, how));
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  console.log(`\n${how.manager}, Node.js ${how.major}`);
  console.table(Object.fromEntries(rows.map(({ name, ...row }) => [name, row])));
}

/** Runs the install line of a package's README, and its examples or, where it has none to import, the commands of its example. */
async function tryPackage(project, name, { manager, isFirst }) {
  const { install, examples } = readReadme(readFileSync(join(ROOT, 'packages', name, 'README.md'), 'utf8'));
  if (!install) throw new Error('its README has no line that begins with npm install');
  const seconds = await project.install(install);
  const size = sizeOf(project, manager);
  const files = examples.map((_, i) => `example-${i + 1}.ts`);
  for (const [i, code] of examples.entries()) project.write(files[i], code);
  if (isFirst && files.length > 0) await project.check(files);
  for (const file of files) requireOutput(file, await project.runExample(file));
  if (isFirst && install.includes('@tensorflow/tfjs-backend-cpu')) {
    const oldest = ['core', 'backend-cpu'].map((part) => `@tensorflow/tfjs-${part}@${OLDEST_TFJS}`);
    await project.install(oldest);
    for (const file of files) requireOutput(`${file} on TensorFlow.js ${OLDEST_TFJS}`, await project.runExample(file));
  }
  return { ...size, 'install, s': seconds.toFixed(1), examples: files.length };
}

/** The first commands of the first page, in a folder that holds nothing: `npx` fetches the command, and the command TensorFlow. */
async function tryCommand(project, { manager }) {
  const start = performance.now();
  if (manager === 'pnpm') await project.install(['eflow']);
  const call = (args) =>
    project.call(...(manager === 'npm' ? ['npx', ['--yes', 'eflow', ...args]] : ['pnpm', ['exec', 'eflow', ...args]]));
  requireOutput('eflow --help', (await call(['--help'])).stdout);
  const seconds = (performance.now() - start) / 1000;
  requireOutput('eflow train', (await call(['train', 'digits-tiny', 'training.steps=20'])).stdout);
  requireOutput('eflow sample', (await call(['sample'])).stdout);
  return { 'install, s': seconds.toFixed(1), examples: 2 };
}

/** Copies a folder of examples/ out of the repository, installs it and starts it. */
async function tryExample(project, name, { manager }) {
  project.copy(join(ROOT, name));
  const seconds = await project.install();
  requireOutput(name, (await project.call(manager, ['start'])).stdout);
  return { ...sizeOf(project, manager), 'install, s': seconds.toFixed(1), examples: 1 };
}

function sizeOf(project, manager) {
  const MB = project.megabytes().toFixed(0);
  if (manager !== 'npm') return { MB };
  return { MB, packages: project.countPackages(), scripts: project.packagesWithScripts().length };
}

function requireOutput(where, output) {
  if (output.trim() === '') throw new Error(`${where} prints nothing`);
}

async function main() {
  console.log('packed: building');
  await run(bin('turbo'), ['run', 'build', '--output-logs=errors-only']);
  const packed = [];
  await forEach(packageFolders(), AT_ONCE, async (name) => {
    const one = await pack(name, folder);
    packed.push(one);
    for (const problem of await findProblems(one, { forRelease: flags.release })) fail(name, problem);
  });
  console.log(`packed: ${packed.length} tarballs, ${failures === 0 ? 'all sound' : `${failures} problems`}`);
  if (flags.tarballs || failures > 0) return;
  const registry = await startRegistry(join(folder, 'registry'));
  try {
    await publish(packed, registry);
    for (const major of flags.nodes.split(',')) {
      const node = await findNode(major, cache);
      for (const manager of ['npm', 'pnpm']) await install(packed, { manager, node, major, npmrc: registry.npmrc });
    }
  } finally {
    await registry.stop();
  }
  console.log(
    failures === 0 ? 'packed: every package installs, and every example runs' : `packed: ${failures} problems`,
  );
}
