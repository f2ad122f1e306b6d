/** Points of the plane, x and y in turn. */
export type Points = ArrayLike<number>;

/**
 * 2 E|X - Y| - E|X - X'| - E|Y - Y'| between two sets of points, all pairs taken, a point with itself too: 0 for equal sets and
 * positive for others (Szekely and Rizzo, "Energy statistics", J. Stat. Plan. Inference 143, 2013). Two sets drawn from one
 * distribution, of n points each, give about 2 E|X - X'| / n.
 */
export function energyDistance(a: Points, b: Points): number {
  return 2 * meanDistance(a, b) - meanDistance(a, a) - meanDistance(b, b);
}

function meanDistance(a: Points, b: Points): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 2) {
    for (let j = 0; j < b.length; j += 2) {
      const dx = a[i]! - b[j]!;
      const dy = a[i + 1]! - b[j + 1]!;
      sum += Math.sqrt(dx * dx + dy * dy);
    }
  }
  return sum / ((a.length / 2) * (b.length / 2));
}
