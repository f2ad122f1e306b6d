import { type CaptionTask, captionTask } from '@eflow/data';
import { describe, expect, it } from 'vitest';
import { judgeFactors } from './judge-factors.ts';

/** Six combinations, of which training leaves out the last. */
const task: CaptionTask = captionTask(
  {
    sentences: ['a {size} {animal}'],
    phrases: { size: [['big'], ['small']], animal: [['cat'], ['dog'], ['cow']] },
  },
  ({ size, animal }) => size === 1 && animal === 2,
);
const everyLabel = [0, 1, 2, 3, 4, 5];
const valuesOf = (labels: number[]) => ({
  size: labels.map((label) => task.valuesOf(label).size!),
  animal: labels.map((label) => task.valuesOf(label).animal!),
});

describe('judgeFactors', () => {
  it('tells clips of combinations that training has from those that it never saw', () => {
    const shown = valuesOf(everyLabel);
    shown.size[5] = 0; // a big cow where a small one was asked for
    shown.animal[0] = 1;
    const { every, seen, unseen } = judgeFactors(task, everyLabel, shown);
    expect(every).toEqual({ size: 5 / 6, animal: 5 / 6, all: 4 / 6 });
    expect(seen).toEqual({ size: 1, animal: 4 / 5, all: 4 / 5 });
    expect(unseen).toEqual({ size: 0, animal: 1, all: 0 });
  });

  it('finds chance with captions swapped, as the mean over all pairs of a clip and the caption of another', () => {
    const labels = [0, 0, 1, 5, 3];
    const shown = valuesOf([0, 2, 1, 5, 4]);
    const pairs = labels.flatMap((label, i) =>
      [0, 1, 2, 3, 4]
        .filter((clip) => clip !== i)
        .map((clip) => {
          const asked = task.valuesOf(label);
          return { size: asked.size === shown.size[clip], animal: asked.animal === shown.animal[clip] };
        }),
    );
    const share = (check: (pair: { size: boolean; animal: boolean }) => boolean) =>
      pairs.filter(check).length / pairs.length;
    const { swapped } = judgeFactors(task, labels, shown);
    expect(swapped.size).toBeCloseTo(
      share(({ size }) => size),
      12,
    );
    expect(swapped.animal).toBeCloseTo(
      share(({ animal }) => animal),
      12,
    );
    expect(swapped.all).toBeCloseTo(
      share(({ size, animal }) => size && animal),
      12,
    );
    const right = judgeFactors(task, everyLabel, valuesOf(everyLabel)).swapped;
    expect(right).toEqual({ size: 2 / 5, animal: 1 / 5, all: 0 });
  });

  it('says nothing of combinations where none was asked for, and refuses what it cannot judge', () => {
    expect(judgeFactors(task, [0], valuesOf([0])).unseen).toBeUndefined();
    expect(judgeFactors(task, [5], valuesOf([5])).seen).toBeUndefined();
    expect(() => judgeFactors(task, [0, 1], { size: [0, 0] })).toThrow('there are 2 captions and 0 values of animal');
  });
});
