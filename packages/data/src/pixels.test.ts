import { expect, it } from 'vitest';
import { normalizePixels } from './pixels.ts';

it('takes bytes to [-1, 1], in order and without loss', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
  const values = normalizePixels(bytes);
  expect([values[0], values[51], values[255]]).toEqual([-1, Math.fround(-0.6), 1]);
  expect(Uint8Array.from(values, (value) => Math.round((value + 1) * 127.5))).toEqual(bytes);
});
