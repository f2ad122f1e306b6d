/** Overrides that make digits-tiny a network of a few thousand parameters on four tokens, for tests. */
export const TINY = [
  'data.numFrames=2',
  'data.height=8',
  'data.width=8',
  'data.digitSize=7',
  'network.patchSize=2,4,4',
  'network.hiddenSize=12',
  'network.depth=1,1,1',
  'network.numHeads=2',
  'network.attention.windowSize=3',
  'training.keepRatio=0.25',
  'training.batchSize=4',
  'training.previewEvery=0',
];
