import { describe, expect, it } from 'vitest';
import { type GuardState, judge, NEW_GUARD } from './guard.ts';

const calm = { loss: 0.7, velocityLoss: 0.2, gradNorm: 1 };

/** The state after so many updates whose values waver by a tenth around the calm ones. */
function after(updates: number, deviations?: number): GuardState {
  let guard = NEW_GUARD;
  for (let i = 0; i < updates; i++) {
    const waver = 1 + 0.1 * Math.sin(i * i);
    const outcome = { loss: 0.7, velocityLoss: 0.2 * waver, gradNorm: waver };
    const verdict = judge(outcome, guard, deviations);
    expect(verdict.reason).toBeUndefined();
    guard = verdict.guard;
  }
  return guard;
}

describe('judge', () => {
  it.each([
    ['loss', Number.NaN],
    ['loss', Number.POSITIVE_INFINITY],
    ['gradNorm', Number.NaN],
    ['gradNorm', Number.POSITIVE_INFINITY],
  ])('refuses a %s of %s, and counts', (name, value) => {
    let guard = after(3);
    for (const count of [1, 2, 3]) {
      const verdict = judge({ ...calm, [name]: value }, guard);
      expect(verdict.reason).toContain(String(value));
      expect(verdict.guard).toMatchObject({ skipped: count, notFiniteInARow: count });
      guard = verdict.guard;
    }
    expect(judge(calm, guard)).toEqual({ guard: { skipped: 3, notFiniteInARow: 0, recent: [] } });
  });

  it.each(['velocityLoss', 'gradNorm'])('refuses a spike of %s of a hundred times where it is told to', (name) => {
    const spike = { ...calm, [name]: 100 * calm[name as keyof typeof calm] };
    const guard = after(64, 6);
    const verdict = judge(spike, guard, 6);
    expect(verdict.reason).toMatch(
      new RegExp(`^${name} is \\d+, \\d+\\.\\d standard deviations above the mean of the last 64`),
    );
    const { velocityLoss, gradNorm } = spike;
    expect(verdict.guard).toEqual({ ...guard, skipped: 1, recent: [...guard.recent, { velocityLoss, gradNorm }] });
    expect(judge(calm, verdict.guard, 6).reason).toBeUndefined();
    expect(judge(spike, after(63, 6), 6).reason).toBeUndefined(); // too few to know
    expect(judge(spike, after(64)).reason).toBeUndefined();
  });

  it.each(['velocityLoss', 'gradNorm'])('goes on where %s stays at ten times its level', (name) => {
    const shifted = { ...calm, [name]: 10 * calm[name as keyof typeof calm] };
    let guard = after(500, 6);
    const refused: number[] = [];
    for (let step = 0; step < 300; step++) {
      const verdict = judge(shifted, guard, 6);
      if (verdict.reason !== undefined) refused.push(step);
      guard = verdict.guard;
    }
    // With a share p of the window at the new level, that is sqrt((1 - p) / p) deviations above its mean: 6 at 1 in 37.
    expect(refused).toEqual([0, 1, 2, 3]);
    expect(guard.skipped).toBe(4);
  });

  it('keeps 128 steps, and as JSON gives the same verdicts', () => {
    const guard = after(500, 6);
    expect(guard.recent).toHaveLength(128);
    const outcome = { ...calm, gradNorm: 1.3 };
    expect(judge(outcome, JSON.parse(JSON.stringify(guard)), 2)).toEqual(judge(outcome, guard, 2));
  });
});
