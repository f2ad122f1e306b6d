#!/usr/bin/env node
// Imports go down only. Fails, naming file and import, where a package's source
// - imports a package of its own layer or above,
// - imports a package that its package.json does not list,
// - reaches into another package by a relative path, or
// - touches tfjs-node-gpu, unless it is the engine.
import { readdirSync, readFileSync } from 'node:fs';
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
  'video-dit': 2,
  measure: 3,
  train: 3,
  run: 4,
};
/** Bundled into the commands that are published, so that no package depends on it. */
const BUNDLED = '@eflow/cli';
const ENGINE_ONLY = '@tensorflow/tfjs-node-gpu';
const IMPORT = /(?:from|import|require|resolve)\s*\(?\s*['"]([^'"]+)['"]/g;

/** @returns {string[]} one line per violation */
export function findViolations(root) {
  const violations = [];
  for (const name of readdirSync(join(root, 'packages'))) {
    const folder = join(root, 'packages', name);
    const { dependencies = {}, peerDependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const listed = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)]);
    if (!(name in LAYERS)) violations.push(`packages/${name}: has no layer; give it one in scripts/check-layers.mjs`);
    for (const file of readdirSync(join(folder, 'src'), { recursive: true })) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
      const path = join(folder, 'src', file);
      for (const [, target] of readFileSync(path, 'utf8').matchAll(IMPORT)) {
        const complain = (reason) => violations.push(`${relative(root, path)}: imports ${target}: ${reason}`);
        if (target.startsWith('.')) {
          const outside = relative(folder, resolve(dirname(path), target)).startsWith('..');
          if (outside) complain('outside its own package; import the package by name');
        } else if (target.startsWith(ENGINE_ONLY)) {
          if (name !== 'engine') complain('only the engine may');
        } else if (target === BUNDLED) {
          if (file !== 'cli.ts') complain('only a command, src/cli.ts, may');
        } else if (target.startsWith('@eflow/')) {
          const other = target.split('/')[1];
          if (!(LAYERS[other] < LAYERS[name])) complain(`layer ${LAYERS[other]} is not below layer ${LAYERS[name]}`);
          if (!listed.has(`@eflow/${other}`)) complain("not in its package.json's dependencies");
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
