import { expect, it } from 'vitest';
import { drawInCharacters } from './terminal.ts';

/** What a terminal shows in the place of each character: [upper, lower] colours, or undefined where none is set. */
function read(text: string) {
  return text.split('\n').map((line) => {
    const cells = line.replaceAll('\x1b', 'ESC').matchAll(/ESC\[38;2;([\d;]+)mESC\[4(?:8;2;([\d;]+)|9)m▀/g);
    return [...cells].map(([, upper, lower]) => [upper, lower]);
  });
}

it('shows two rows of pixels in a line, in their colours', () => {
  const data = Uint8Array.from({ length: 2 * 4 * 3 }, (_, i) => i);
  expect(read(drawInCharacters({ data, width: 2, height: 4, channels: 3 }))).toEqual([
    [
      ['0;1;2', '6;7;8'],
      ['3;4;5', '9;10;11'],
    ],
    [
      ['12;13;14', '18;19;20'],
      ['15;16;17', '21;22;23'],
    ],
  ]);
});

it('shows grey, and nothing below a last row that has no other', () => {
  const data = Uint8Array.of(5, 6, 7);
  expect(read(drawInCharacters({ data, width: 1, height: 3, channels: 1 }))).toEqual([
    [['5;5;5', '6;6;6']],
    [['7;7;7', undefined]],
  ]);
});

it('leaves the colours of the terminal as they were at the end of every line', () => {
  const picture = { data: new Uint8Array(8), width: 2, height: 4, channels: 1 } as const;
  for (const line of drawInCharacters(picture).split('\n')) expect(line.endsWith('\x1b[0m')).toBe(true);
});
