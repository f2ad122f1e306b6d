import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageBuild } from '../../tsup.base.ts';

const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json'));

// Clips are pure data: who only handles them loads no TensorFlow.js. Gradients are a file of their own, so that bundlers drop it where
// nobody takes one.
export default packageBuild({
  entry: ['src/index.ts', 'src/clips.ts', 'src/gradients.ts'],
  noExternal: ['@tensorflow/tfjs', /tfjs-core.dist/],
  esbuildOptions(options) {
    // tfjs-core keeps its registries on the global object, so that its parts may be bundled into another module.
    options.alias = { '@tensorflow/tfjs': join(core, 'dist/register_all_gradients.js') };
  },
});
