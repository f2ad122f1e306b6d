import { describe, expect, it } from 'vitest';
import { captionTask, withArticles } from './caption-task.ts';
import { createDraws } from './hash.ts';

const task = captionTask(
  {
    sentences: ['a {size} {animal}', 'Look: the {animal} is {size}!'],
    phrases: { size: [['big', 'very large'], ['old']], animal: [['cat'], ['dog', 'puppy'], ['cow']] },
  },
  ({ size, animal }) => size === 1 && animal === 2,
);
/** Draws that choose these of so many choices, in turn. */
const choosing = (...choices: [which: number, of: number][]) => {
  const draws = choices.map(([which, of]) => which / of);
  return () => draws.shift()!;
};

describe('captionTask', () => {
  it('counts combinations, the last factor first', () => {
    expect(task.factors).toEqual({ size: ['big', 'old'], animal: ['cat', 'dog', 'cow'] });
    const labels = Array.from({ length: task.numCombinations }, (_, label) => label);
    expect(labels.map((label) => task.say(label))).toEqual([
      'a big cat',
      'a big dog',
      'a big cow',
      'an old cat',
      'an old dog',
      'an old cow',
    ]);
    expect(labels.map((label) => task.labelOf(task.valuesOf(label)))).toEqual(labels);
    expect(labels.filter(task.isUnseen)).toEqual([5]);
  });

  it('says the same in other words, as it is drawn', () => {
    expect(task.say(1, choosing([1, 2], [1, 2], [1, 2]))).toBe('Look: the puppy is very large!');
    expect(task.say(1, choosing([0, 2], [1, 2], [0, 2]))).toBe('a very large dog');
  });

  it('knows what every caption is made of', () => {
    const words = (texts: readonly string[]) =>
      new Set(texts.flatMap((text) => text.toLowerCase().match(/\w+/g) ?? []));
    const captions = Array.from({ length: 200 }, (_, i) => task.say(i % task.numCombinations, createDraws(1, i)));
    expect(words(task.texts)).toEqual(words(captions));
    expect(words(captions)).toContain('look');
  });
});

it.each([
  ['a cat on a orange ground', 'a cat on an orange ground'],
  ['a one in red, a ewe and a 8', 'a one in red, a ewe and a 8'],
  ['pizza extra', 'pizza extra'],
])('withArticles says %s as it is spoken', (text, spoken) => expect(withArticles(text)).toBe(spoken));
