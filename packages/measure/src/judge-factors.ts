import type { CaptionTask } from '@eflow/data';

/** Share of clips, in [0, 1], that show what their captions say: for each factor, such as the colour, and `all` of them at once. */
export type FactorShares = Record<string, number>;

/** Whether clips show what they were asked for. */
export interface FactorJudgement {
  /** Of all clips. */
  every: FactorShares;
  /** Of combinations that training has; absent: none was asked for. */
  seen?: FactorShares;
  /** Of combinations that training leaves out; absent: none was asked for. */
  unseen?: FactorShares;
  /** What is to be expected where every clip gets another's caption, drawn at random: chance. */
  swapped: FactorShares;
}

/**
 * Compares what a classifier takes clips for, numbers of each factor's values [B], with the captions' combinations, `labels` [B].
 * Throws unless it tells every factor of the task, of every clip.
 */
export function judgeFactors(
  { factors, valuesOf, isUnseen }: CaptionTask,
  labels: ArrayLike<number>,
  values: Readonly<Record<string, ArrayLike<number>>>,
): FactorJudgement {
  const names = Object.keys(factors);
  const missing = names.find((name) => values[name]?.length !== labels.length);
  if (missing !== undefined) {
    throw new Error(
      `judgeFactors: there are ${labels.length} captions and ${values[missing]?.length ?? 0} values of ${missing}; expected one for each`,
    );
  }
  const asked = Array.from(labels, valuesOf);
  const isRight = (clip: number, name: string) => values[name]![clip] === asked[clip]![name];
  const sharesOf = (clips: number[]) => {
    const share = (check: (clip: number) => boolean) => clips.filter(check).length / clips.length;
    const each = names.map((name) => [name, share((clip) => isRight(clip, name))]);
    return { ...Object.fromEntries(each), all: share((clip) => names.every((name) => isRight(clip, name))) };
  };
  const clips = asked.map((_, clip) => clip);
  const [seen, unseen] = [false, true].map((wanted) => {
    const some = clips.filter((clip) => isUnseen(labels[clip]!) === wanted);
    return some.length > 0 ? sharesOf(some) : undefined;
  });
  const shown = (clip: number) => names.map((name) => values[name]![clip]!);
  const swapped = names.map((name, i) => [
    name,
    agreement(
      asked.map((one) => String(one[name])),
      clips.map((clip) => String(shown(clip)[i])),
    ),
  ]);
  return {
    every: sharesOf(clips),
    seen,
    unseen,
    swapped: {
      ...Object.fromEntries(swapped),
      all: agreement(
        asked.map((one) => names.map((name) => one[name]).join()),
        clips.map((clip) => shown(clip).join()),
      ),
    },
  };
}

/** How often one of `a` is the same as one of `b` that stands in another place. */
function agreement(a: readonly string[], b: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const one of a) counts.set(one, (counts.get(one) ?? 0) + 1);
  const same = b.reduce((sum, one, i) => sum + (counts.get(one) ?? 0) - (a[i] === one ? 1 : 0), 0);
  return same / Math.max(1, b.length * (b.length - 1));
}
