#!/usr/bin/env node
// Imports go down only. Fails, naming file and import, where
// - a package's source imports a package of its own layer or above, or one that users of it would not have,
// - a file imports a package that its package.json does not list; tests may use what devDependencies list,
// - a file reaches out of its folder by a relative path, but for fixtures of packages,
// - an app, or the bench, is imported,
// - the command eflow, which apps are built into, lacks a dependency of one of them: the build would take a copy of it in,
// - a published package holds something of internal/, but for commands, which bundle it, and tests, or
// - anything but the engine touches tfjs-node-gpu, or anybody would install it, and run its install script.
// Circles within a folder are Biome's noImportCycles.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The engine stands beside the packages of layer 1: it may import what is below them, and only apps and commands import it. */
const LAYERS = {
  tensor: 0,
  nn: 1,
  attention: 1,
  flow: 1,
  optim: 1,
  checkpoint: 1,
  data: 1,
  media: 1,
  fvd: 1,
  engine: 1,
  text: 2,
  'video-dit': 3,
  measure: 4,
  train: 4,
  run: 5,
  eflow: 6,
};
const BUILDS_APPS_IN = 'packages/eflow';
const ENGINE_ONLY = '@tensorflow/tfjs-node-gpu';
const IMPORT = /(?:from|import|require|resolve)\s*\(?\s*['"]([^'"]+)['"]/g;
/** Files that are not published: they may import whatever their package.json lists. */
const TEST = /\.test\.ts$|(^|\/)fixtures\//;
/** A command and what it alone uses: the build bundles what these import of internal/. */
const COMMAND = /^packages\/[\w-]+\/src\/(cli\.ts$|commands\/)/;
/** Checks of more than one package read its fixtures, and the kernel that an oracle is made of. */
const SHARED_SOURCE = /^packages\/\w+\/(src\/)?fixtures\/|^packages\/attention\/src\/softmax\.ts$/;

/** @returns {string[]} one line per violation */
export function findViolations(root) {
  const folders = ['packages', 'apps', 'internal'].flatMap((parent) =>
    existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => join(parent, name)) : [],
  );
  const violations = [...folders, 'bench']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .flatMap((folder) => checkFolder(root, folder));
  return [...violations, ...checkBuiltIn(root)];
}

/** Only packages/eflow builds apps in, and with them what is private in internal/; everything else it depends on. */
function checkBuiltIn(root) {
  const config = join(root, BUILDS_APPS_IN, 'tsup.config.ts');
  if (!existsSync(config)) return [];
  const dependenciesOf = (folder) =>
    Object.keys(JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).dependencies ?? {});
  const listed = dependenciesOf(BUILDS_APPS_IN);
  const apps = new Set([...readFileSync(config, 'utf8').matchAll(/apps\/[\w-]+/g)].map(([app]) => app));
  return [...apps].flatMap((app) => {
    const needed = dependenciesOf(app).flatMap((name) => {
      const internal = name.startsWith('@eflow/') && join('internal', name.split('/')[1]);
      return internal && existsSync(join(root, internal)) ? dependenciesOf(internal) : [name];
    });
    return needed
      .filter((name) => !listed.includes(name))
      .map((name) => `${BUILDS_APPS_IN}: lacks ${name} in its dependencies, which ${app} needs`);
  });
}

function checkFolder(root, folder) {
  const [parent, name] = folder.split('/');
  const isPackage = parent === 'packages';
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const listed = { ...manifest.dependencies, ...manifest.peerDependencies };
  const listedForTests = { ...listed, ...manifest.devDependencies, [manifest.name]: 'itself' };
  const violations = [];
  if (isPackage && !(name in LAYERS))
    violations.push(`${folder}: has no layer; give it one in scripts/check-layers.mjs`);
  if (ENGINE_ONLY in listed)
    violations.push(
      `${folder}: ${ENGINE_ONLY} has an install script; the engine's build bundles it: list it in devDependencies`,
    );
  const sources = ['src', 'fixtures'].filter((part) => existsSync(join(root, folder, part)));
  const files = sources.flatMap((part) =>
    readdirSync(join(root, folder, part), { recursive: true }).map((file) => join(folder, part, file)),
  );
  for (const path of files.filter((file) => file.endsWith('.ts'))) {
    const isTest = TEST.test(path);
    for (const [, target] of readFileSync(join(root, path), 'utf8').matchAll(IMPORT)) {
      const complain = (reason) => violations.push(`${path}: imports ${target}: ${reason}`);
      if (target.startsWith('.')) {
        const place = relative(root, resolve(root, dirname(path), target));
        const mayReach = (!isPackage || isTest) && SHARED_SOURCE.test(place);
        if (!place.startsWith(`${folder}/`) && !mayReach)
          complain('outside its own folder; import the package by name');
        if (COMMAND.test(place) && !COMMAND.test(path) && !isTest) complain('only a command may');
      } else if (target.startsWith(ENGINE_ONLY)) {
        if (folder !== 'packages/engine') complain('only the engine may');
      } else if (target.startsWith('@eflow/')) {
        const wanted = target.split('/').slice(0, 2).join('/');
        const other = wanted.split('/')[1];
        const isPublished = other in LAYERS || existsSync(join(root, 'packages', other));
        if (/^(app-|bench$)/.test(other)) complain('apps and the bench are run, never imported');
        else if (isTest || (isPackage && !isPublished)) {
          if (!(wanted in listedForTests)) complain("not in its package.json's dependencies or devDependencies");
          if (!isTest && !COMMAND.test(path)) complain('only a command, src/cli.ts and src/commands/, may');
        } else {
          if (isPackage && !(LAYERS[other] < LAYERS[name]))
            complain(`layer ${LAYERS[other]} is not below layer ${LAYERS[name]}`);
          if (!(wanted in listed)) complain("not in its package.json's dependencies");
        }
      }
    }
  }
  return violations;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const violations = findViolations(fileURLToPath(new URL('..', import.meta.url)));
  for (const line of violations) console.error(line);
  console.log(violations.length === 0 ? 'layers: imports go down only' : `layers: ${violations.length} violations`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
