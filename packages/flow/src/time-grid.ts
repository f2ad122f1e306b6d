/**
 * How the steps of a sampler lie in time: `uniform`, equally long; `shifted`, t' = shift t / (1 + (shift - 1) t) of these,
 * which with shift > 1 spends more of them on noise (Esser et al., arXiv 2403.03206, eq. 23); `quadratic`, t = (1 - i / K)^2,
 * which spends more of them close to the data (DDIM, arXiv 2010.02502, appendix D.2).
 */
export type TimeGrid = { kind: 'uniform' } | { kind: 'shifted'; shift: number } | { kind: 'quadratic' };

/** Times 1 = t_0 > t_1 > ... > t_K = 0 of K = numSteps steps. Throws on numSteps below 1 and on a shift that is not positive. */
export function timeGrid(numSteps: number, grid: TimeGrid = { kind: 'uniform' }): number[] {
  if (!Number.isInteger(numSteps) || numSteps < 1) {
    throw new Error(`timeGrid: numSteps is ${numSteps}; expected an integer of at least 1`);
  }
  if (grid.kind === 'shifted' && !(grid.shift > 0 && Number.isFinite(grid.shift))) {
    throw new Error(`timeGrid: shift is ${grid.shift}; expected a positive number, such as 3; 1 is uniform`);
  }
  return Array.from({ length: numSteps + 1 }, (_, i) => warp(1 - i / numSteps, grid));
}

function warp(t: number, grid: TimeGrid): number {
  switch (grid.kind) {
    case 'uniform':
      return t;
    case 'shifted':
      return (grid.shift * t) / (1 + (grid.shift - 1) * t);
    case 'quadratic':
      return t * t;
  }
}

/** Throws unless times fall strictly from 1, or wherever one starts, to their last, all in [0, 1], in at least one step. */
export function assertTimeGrid(where: string, times: readonly number[]): void {
  if (times.length < 2) {
    throw new Error(
      `${where}: times has ${times.length} entries; expected at least two, a start and an end: timeGrid(4)`,
    );
  }
  times.forEach((t, i) => {
    if (!(t >= 0 && t <= 1)) {
      throw new Error(`${where}: times[${i}] is ${t}; expected a time in [0, 1], 0 data, 1 noise`);
    }
    if (i > 0 && !(t < times[i - 1]!)) {
      throw new Error(
        `${where}: times[${i}] is ${t} after ${times[i - 1]}; expected times that fall, such as timeGrid(4)`,
      );
    }
  });
}
