import { expect, it } from 'vitest';
import { drawInCharacters, roomFor } from './terminal.ts';

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

it.each([
  [{ height: 32, width: 32 }, { columns: 80, rows: 24 }, 2],
  [{ height: 32, width: 32 }, { columns: 131, rows: 24 }, 4],
  [{ height: 16, width: 16 }, {}, 4],
  [{ height: 32, width: 32 }, { columns: 31, rows: 24 }, 0],
  [{ height: 64, width: 64 }, { columns: 200, rows: 32 }, 0], // its last line would push the first out
])('a clip %j has room in a terminal %j %i times', (clip, terminal, times) =>
  expect(roomFor(clip, terminal)).toBe(times),
);
