// Makes dist/: the page, its bundle, the binaries of the wasm backend, and the weights.
import '@tensorflow/tfjs-backend-cpu';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { saveTree } from '@eflow/checkpoint';
import { createStream } from '@eflow/tensor';
import { initVideoDiT } from '@eflow/video-dit';
import { build } from 'esbuild';
import { config } from './config.ts';

const here = (name: string) => join(import.meta.dirname, name);
const [weights] = process.argv.slice(2);

mkdirSync(here('dist'), { recursive: true });
const conditions = process.execArgv.flatMap((arg) => /^--conditions=(.*)/.exec(arg)?.[1] ?? []);
await build({
  entryPoints: [here('main.ts')],
  outdir: here('dist'),
  bundle: true,
  minify: true,
  format: 'esm',
  conditions, // those that Node.js was started with
});
copyFileSync(here('index.html'), here('dist/index.html'));
const binaries = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
for (const name of readdirSync(binaries)) {
  if (name.endsWith('.wasm')) copyFileSync(join(binaries, name), here(`dist/${name}`));
}
if (weights) copyFileSync(weights, here('dist/ema.safetensors'));
else await saveTree(here('dist/ema.safetensors'), initVideoDiT(createStream(1), config));
if (!weights) console.log('No weights were given: the clips will be noise. The example train-compiled trains some.');
console.log('The page is in dist/. To see it: npm run serve, then open http://127.0.0.1:8000');
