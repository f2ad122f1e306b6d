import { describe, expect, it } from 'vitest';
import { checkCaption } from './caption.ts';

describe('checkCaption', () => {
  it('takes any script, lines and tabs, and up to 1,000 characters', () => {
    for (const caption of ['a cat', 'кошка\tспит\n', '\u732b', 'x'.repeat(1000)]) {
      expect(() => checkCaption('caption 1', caption)).not.toThrow();
    }
  });

  it.each([
    ['', 'prompt 3 is empty; say what the clip is to show'],
    ['\t\n', 'prompt 3 is empty'],
    ['x'.repeat(1001), 'prompt 3 has 1001 characters'],
    ['a\u0000b', 'prompt 3 holds the control character U+0000, "a\\u0000b"; leave it out'],
    ['a\u001bb', 'prompt 3 holds the control character U+001B'],
    ['a\u007fb', 'prompt 3 holds the control character U+007F'],
  ])('names what is wrong with %j', (caption, message) => {
    expect(() => checkCaption('prompt 3', caption)).toThrow(message);
  });
});
