export interface Summary {
  median: number;
  lowerQuartile: number;
  upperQuartile: number;
  min: number;
  max: number;
}

/** Order statistics of at least one number; quantiles are interpolated between neighbours, as NumPy does by default. */
export function summarise(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('summarise: no values; expected at least one');
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number) => {
    const position = share * (sorted.length - 1);
    const below = sorted[Math.floor(position)]!;
    return below + (position % 1) * (sorted[Math.ceil(position)]! - below);
  };
  return {
    median: quantile(0.5),
    lowerQuartile: quantile(0.25),
    upperQuartile: quantile(0.75),
    min: quantile(0),
    max: quantile(1),
  };
}

export interface Rate {
  summary: Summary;
  /** FLOPs of the matrix products in the definition over time; other work costs time and counts nothing. */
  flopsPerSecond: number;
  /** The share of the best rate of plain products; absent if there is none. */
  shareOfLimit?: number;
}

export function rateCalls(seconds: readonly number[], flops: number, limit: number | undefined): Rate {
  const summary = summarise(seconds);
  const flopsPerSecond = flops / summary.median;
  return { summary, flopsPerSecond, shareOfLimit: limit && flopsPerSecond / limit };
}
