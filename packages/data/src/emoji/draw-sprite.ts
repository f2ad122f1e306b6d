import type { Sprite } from './emoji-cache.ts';

/** Where a sprite lies: its left upper corner and its side, in pixels of the canvas. */
export interface Place {
  x: number;
  y: number;
  size: number;
}

/**
 * Lays a sprite over `canvas`, uint8 [H, W, 3] of `width` W, by bilinear interpolation of the smallest of its pictures whose pixels are no
 * larger than the canvas'. What lies outside is left away.
 */
export function drawSprite(
  canvas: Uint8Array,
  width: number,
  pictures: readonly Sprite[],
  { x, y, size }: Place,
): void {
  const { side, pixels } = pictures.findLast((one) => one.side >= size) ?? pictures[0]!;
  const height = canvas.length / 3 / width;
  const scale = side / size;
  const columns = sides(
    Math.max(0, Math.floor(x)),
    Math.min(width, x + size),
    (at) => (at + 0.5 - x) * scale - 0.5,
    side,
  );
  const rows = sides(
    Math.max(0, Math.floor(y)),
    Math.min(height, y + size),
    (at) => (at + 0.5 - y) * scale - 0.5,
    side,
  );
  for (const row of rows) {
    for (const column of columns) {
      const [a, b] = [4 * (row.first * side + column.first), 4 * (row.first * side + column.second)];
      const [c, d] = [4 * (row.second * side + column.first), 4 * (row.second * side + column.second)];
      const mix = (channel: number) =>
        row.ofFirst * (column.ofFirst * pixels[a + channel]! + column.ofSecond * pixels[b + channel]!) +
        row.ofSecond * (column.ofFirst * pixels[c + channel]! + column.ofSecond * pixels[d + channel]!);
      const to = (row.at * width + column.at) * 3;
      const behind = 1 - mix(3) / 255;
      for (let channel = 0; channel < 3; channel++)
        canvas[to + channel] = Math.round(mix(channel) + canvas[to + channel]! * behind);
    }
  }
}

/** Two neighbours of a picture along one axis, and their shares of the pixel at `at` of the canvas; what lies outside has none. */
interface Side {
  at: number;
  first: number;
  second: number;
  ofFirst: number;
  ofSecond: number;
}

function sides(from: number, to: number, placeOf: (at: number) => number, size: number): Side[] {
  const all: Side[] = [];
  const isInside = (index: number) => index >= 0 && index < size;
  const nearest = (index: number) => Math.min(size - 1, Math.max(0, index));
  for (let at = from; at < to; at++) {
    const place = placeOf(at);
    const first = Math.floor(place);
    all.push({
      at,
      first: nearest(first),
      second: nearest(first + 1),
      ofFirst: isInside(first) ? 1 - (place - first) : 0,
      ofSecond: isInside(first + 1) ? place - first : 0,
    });
  }
  return all;
}
