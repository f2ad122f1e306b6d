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
