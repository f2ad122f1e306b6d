import type { VideoDiTConfig } from '@eflow/video-dit';

/** The network whose weights the example train-compiled saves. */
export const config: VideoDiTConfig = {
  channels: 1,
  patchSize: [2, 4, 4],
  hiddenSize: 64,
  depth: [1, 2, 1],
  numHeads: 4,
  numClasses: 10,
};
