import { packageBuild } from '../../tsup.base.ts';

export default packageBuild({
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli.ts',
    'batch-worker': 'src/batch-worker.ts',
    'decode-child': 'src/videos/decode-child.ts',
  },
});
