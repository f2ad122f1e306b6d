#!/usr/bin/env node
// Builds every package, packs it as it would be published, and checks the tarball: publint (strict), attw, and that it
// holds what it should and nothing else. Then installs @eflow/attention from its tarball and runs its README's example.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPackedExample } from './packed-example.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name) => join(root, 'node_modules/.bin', name);
const run = (command, args, cwd = root) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Files that a package may publish besides its package.json. */
const ALLOWED =
  /^package\/(LICENSE|README\.md|package\.json|dist\/.+\.(js|d\.ts)|src\/.+\.(ts|cc)|native\/.+\.(cc|h)|presets\/.+\.yaml|weights\/.+\.safetensors)$/;
const FORBIDDEN = /\.test\.ts$|fixtures\//;

let failures = 0;
const fail = (line) => {
  failures++;
  console.error(line);
};

run(bin('turbo'), ['run', 'build', '--output-logs=errors-only']);
const folder = mkdtempSync(join(tmpdir(), 'eflow-packed-'));
const tarballOf = (name) =>
  join(
    folder,
    readdirSync(folder).find((file) => file.startsWith(`eflow-${name}-`) && file.endsWith('.tgz')),
  );
try {
  for (const name of readdirSync(join(root, 'packages'))) {
    const cwd = join(root, 'packages', name);
    run('pnpm', ['pack', '--pack-destination', folder], cwd);
    const tarball = tarballOf(name);
    for (const [tool, args] of [
      ['publint', ['run', tarball, '--strict']],
      ['attw', [tarball, '--profile', 'esm-only', '--format', 'ascii']],
    ]) {
      try {
        run(bin(tool), args);
      } catch (error) {
        fail(`${name}: ${tool}\n${error.stdout}${error.stderr}`);
      }
    }
    const files = run('tar', ['tzf', tarball]).trim().split('\n');
    for (const file of files) if (!ALLOWED.test(file) || FORBIDDEN.test(file)) fail(`${name}: publishes ${file}`);
    for (const needed of ['README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']) {
      if (!files.includes(`package/${needed}`)) fail(`${name}: lacks ${needed}`);
    }
    const manifest = run('tar', ['xzOf', tarball, 'package/package.json']);
    if (manifest.includes('workspace:') || manifest.includes('catalog:'))
      fail(`${name}: publishes workspace: or catalog: versions`);
    for (const script of ['preinstall', 'install', 'postinstall']) {
      if (JSON.parse(manifest).scripts?.[script]) fail(`${name}: has an install script, ${script}`);
    }
  }
  try {
    const printed = runPackedExample([tarballOf('tensor'), tarballOf('attention')]);
    console.log(`packed: attention's README example, installed into an empty project, prints ${printed.trim()}`);
  } catch (error) {
    fail(`attention: its README example, installed into an empty project: ${error.message}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(failures === 0 ? 'packed: every tarball is sound' : `packed: ${failures} problems`);
process.exitCode = failures === 0 ? 0 : 1;
