import { packageBuild } from '../../tsup.base.ts';

// Clips are pure data: who only handles them loads no TensorFlow.js.
export default packageBuild({ entry: ['src/index.ts', 'src/clips.ts'] });
