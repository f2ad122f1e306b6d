/**
 * Share, in [0, 1], of rows whose largest logit is at the label. `logits` [N, K] row-major, `labels` [N] integers in
 * [0, K), N >= 1; of equal logits the first counts. Throws on other sizes, labels, or logits that are not finite.
 */
export function classAccuracy(logits: Float32Array, numClasses: number, labels: ArrayLike<number>): number {
  const classes = largestClasses('classAccuracy', logits, numClasses);
  if (classes.length !== labels.length) {
    throw new Error(
      `classAccuracy: ${classes.length} rows of logits against ${labels.length} labels; give one label per row`,
    );
  }
  const right = classes.filter((found, row) => found === checkLabel(labels[row]!, numClasses));
  return right.length / classes.length;
}

/**
 * Share, in [0, 1], of clips all of whose frames have the same class, right or wrong. `frameLogits` [N, F, K] row-major,
 * N, F >= 1; of equal logits the first counts. Throws on other sizes and on logits that are not finite.
 */
export function frameConsistency(frameLogits: Float32Array, numFrames: number, numClasses: number): number {
  const classes = largestClasses('frameConsistency', frameLogits, numClasses);
  const numClips = classes.length / numFrames;
  if (!Number.isInteger(numFrames) || numFrames < 1 || !Number.isInteger(numClips)) {
    throw new Error(
      `frameConsistency: ${classes.length} rows of logits are no whole number of clips of ${numFrames} frames`,
    );
  }
  const changes = classes.map((found, row) => found !== classes[row - (row % numFrames)]);
  const changing = new Set(changes.flatMap((change, row) => (change ? [Math.floor(row / numFrames)] : [])));
  return 1 - changing.size / numClips;
}

/** The index of the largest logit of each row. */
function largestClasses(where: string, logits: Float32Array, numClasses: number): number[] {
  const numRows = logits.length / numClasses;
  if (!Number.isInteger(numClasses) || numClasses < 1 || !Number.isInteger(numRows) || numRows < 1) {
    throw new Error(`${where}: ${logits.length} logits; expected one or more whole rows of ${numClasses} classes`);
  }
  const bad = logits.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new Error(`${where}: row ${Math.floor(bad / numClasses)} holds ${logits[bad]}; check those clips for NaN`);
  }
  return Array.from({ length: numRows }, (_, i) => {
    const row = logits.subarray(i * numClasses, (i + 1) * numClasses);
    return row.indexOf(Math.max(...row));
  });
}

function checkLabel(label: number, numClasses: number): number {
  if (Number.isInteger(label) && label >= 0 && label < numClasses) return label;
  throw new Error(`classAccuracy: label ${label}; expected an integer from 0 to ${numClasses - 1}`);
}
