import { describe, expect, it } from 'vitest';
import { collectWords, readWords, splitWords, unknownWords } from './vocabulary.ts';

const vocabulary = collectWords(['a red Cat', 'the cat runs; the dog sleeps']);

describe('splitWords', () => {
  it('gives small letters and digits of any script, and leaves marks out', () => {
    expect(splitWords("A dog's 3rd, “Größe” — наверх!")).toEqual(['a', 'dog', 's', '3rd', 'größe', 'наверх']);
    expect(splitWords(' ,.\n')).toEqual([]);
  });
});

describe('collectWords', () => {
  it('gives every word once, in the order of the alphabet', () => {
    expect(vocabulary).toEqual(['a', 'cat', 'dog', 'red', 'runs', 'sleeps', 'the']);
  });

  it('refuses texts without words, and more words than a table is for', () => {
    expect(() => collectWords(['...', ''])).toThrow('the 2 texts have no word');
    const many = Array.from({ length: 8193 }, (_, i) => `w${i}`);
    expect(() => collectWords(many)).toThrow('the texts have 8193 different words; expected at most 8192');
  });
});

describe('readWords', () => {
  it('numbers words, pads to a multiple of eight, and gives one number to all that are unknown', () => {
    const { words, mask } = readWords(vocabulary, ['The red cat', 'a blue dog']);
    expect([words.shape, words.dtype, mask.dtype]).toEqual([[2, 8], 'int32', 'bool']);
    expect(words.arraySync()).toEqual([
      [6, 3, 1, 7, 7, 7, 7, 7],
      [0, 7, 2, 7, 7, 7, 7, 7],
    ]);
    expect(mask.arraySync()).toEqual([
      [1, 1, 1, 0, 0, 0, 0, 0],
      [1, 1, 1, 0, 0, 0, 0, 0],
    ]);
    expect(readWords(vocabulary, ['the cat runs the dog sleeps the cat runs']).words.shape).toEqual([1, 16]);
    expect(unknownWords(vocabulary, 'a BLUE dog, blue as the sea')).toEqual(['blue', 'as', 'sea']);
  });

  it.each([
    ['', 'caption 2 is empty; say what the clip is to show'],
    [' \n ', 'caption 2 is empty'],
    [`cat ${'x'.repeat(10_000)}`, /caption 2 has 10004 characters, "cat x+\.\.\."; expected at most 1000: shorten it/],
    ['a c\0t', 'caption 2 holds the control character U+0000, "a c\\u0000t"; leave it out'],
    ['кошка спит', 'caption 2, "кошка спит", has no word that is known, such as cat, dog, red, runs'],
    ['!?', 'has no word that is known'],
  ])('refuses %j', (caption, message) => {
    expect(() => readWords(vocabulary, ['a cat', caption])).toThrow(message);
  });
});
