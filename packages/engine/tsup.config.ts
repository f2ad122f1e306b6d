import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageBuild } from '../../tsup.base.ts';

const tfjsNode = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node-gpu/package.json'));
const protobuf = dirname(createRequire(join(tfjsNode, 'package.json')).resolve('google-protobuf/package.json'));

export default packageBuild({
  entry: { index: 'src/index.ts', cli: 'src/cli.ts' },
  noExternal: ['@tensorflow/tfjs-node-gpu', 'google-protobuf'],
  esbuildOptions(options) {
    // Of all that `@tensorflow/tfjs` exports, the backend needs what tfjs-core has: the user's own copy.
    options.alias = { '@tensorflow/tfjs': '@tensorflow/tfjs-core' };
    options.external = [...(options.external ?? []), '@tensorflow/tfjs-core'];
    // What is bundled is CommonJS.
    options.banner = {
      js: "import { createRequire as createRequire_ } from 'node:module';\nconst require = createRequire_(import.meta.url);",
    };
  },
  onSuccess: async () => {
    cpSync(join(tfjsNode, 'binding'), 'dist/binding', { recursive: true });
    cpSync(join(protobuf, 'LICENSE.md'), 'dist/google-protobuf.LICENSE.md');
  },
});
