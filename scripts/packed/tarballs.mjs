// The tarballs that `pnpm pack` makes of every package, and what must be in them.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ROOT, run } from './run.mjs';

/** Files that a package may publish besides its package.json. */
const ALLOWED =
  /^package\/(LICENSE|NOTICE|README\.md|CHANGELOG\.md|package\.json|dist\/.+|src\/.+\.(ts|cc)|native\/.+\.(cc|h)|(presets|studies)\/.+\.yaml|weights\/.+\.safetensors)$/;
const FORBIDDEN = /\.test\.ts$|fixtures\/|\.map$/;
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'];
/** What a page of a registry shows of a package. */
const DESCRIBED = ['description', 'keywords', 'license', 'engines', 'publishConfig'];
/** The same; known once there is a repository that the public can see. */
const ADDRESSES = ['repository', 'homepage', 'bugs'];

/** Names of the folders in packages/. */
export const packageFolders = () => readdirSync(join(ROOT, 'packages'));

/** Packs `packages/<folder>` into `target`: the tarball's path and its manifest. */
export async function pack(folder, target) {
  const cwd = join(ROOT, 'packages', folder);
  // Built before, all at once: no script is needed.
  const { stdout } = await run(
    'pnpm',
    ['pack', '--json', '--config.ignore-scripts=true', '--pack-destination', target],
    { cwd },
  );
  const tarball = JSON.parse(stdout.slice(stdout.indexOf('{'))).filename;
  const manifest = JSON.parse((await run('tar', ['xzOf', tarball, 'package/package.json'])).stdout);
  return { folder, tarball, manifest };
}

/** What is wrong with a tarball, a line each; `forRelease` also asks for the repository's address. */
export async function findProblems({ tarball, manifest }, { forRelease = false } = {}) {
  const problems = [];
  const files = (await run('tar', ['tzf', tarball])).stdout.trim().split('\n');
  for (const file of files) if (!ALLOWED.test(file) || FORBIDDEN.test(file)) problems.push(`publishes ${file}`);
  const built = [manifest.exports, manifest.bin].flatMap(pathsIn).filter((path) => path.startsWith('./dist/'));
  if (built.length === 0) problems.push('has neither exports nor bin in dist');
  for (const needed of ['./README.md', './LICENSE', ...built]) {
    if (!files.includes(needed.replace('.', 'package'))) problems.push(`lacks ${needed}`);
  }
  if (/"(workspace|catalog):/.test(JSON.stringify(manifest)))
    problems.push('publishes workspace: or catalog: versions');
  for (const script of INSTALL_SCRIPTS)
    if (manifest.scripts?.[script]) problems.push(`has an install script, ${script}`);
  for (const key of DESCRIBED) if (!manifest[key]) problems.push(`its package.json lacks ${key}`);
  if (forRelease && ADDRESSES.some((key) => !manifest[key])) {
    problems.push(`its package.json lacks ${ADDRESSES.join(', ')}: run node scripts/name-repository.mjs ADDRESS`);
  }
  const tools = [['publint', ['run', tarball, '--strict']]];
  if (files.some((file) => file.endsWith('.d.ts')))
    tools.push(['attw', [tarball, '--profile', 'esm-only', '--format', 'ascii']]);
  for (const [tool, args] of tools) {
    await run(bin(tool), args).catch((error) => problems.push(`${tool}\n${error.message}`));
  }
  return problems;
}

/** All strings in a manifest's `exports` or `bin`. */
const pathsIn = (value) => (typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(pathsIn));
