import { cpSync } from 'node:fs';
import { packageBuild } from '../../tsup.base.ts';

/**
 * The command's own file, and the apps that it starts: APP-MODULE.js, where `appFile` of internal/cli looks for them. The studies lie
 * where `ablation` looks for them, above its file.
 */
export default packageBuild({
  entry: {
    cli: 'src/cli.ts',
    'train-main': '../../apps/train/src/main.ts',
    'train-worker': '../../apps/train/src/worker.ts',
    'sample-main': '../../apps/sample/src/main.ts',
    'evaluate-main': '../../apps/evaluate/src/main.ts',
    'ablation-main': '../../apps/ablation/src/main.ts',
  },
  dts: false,
  onSuccess: async () => cpSync('../../apps/ablation/studies', 'studies', { recursive: true }),
});
