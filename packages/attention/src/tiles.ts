import * as tf from '@tensorflow/tfjs-core';
import { padTokens, takeTokens } from './sequence-blocks.ts';

/** Sizes in frames, rows and columns. */
export type Grid = readonly [frames: number, rows: number, columns: number];

/**
 * How one axis of `length` tokens is cut: into `count` tiles of `size` queries, and for each of them the `reach` keys that
 * one of its queries may see, the first of them `before` tokens ahead of the tile. An axis that a tile's keys would span
 * is left whole.
 */
export interface AxisCut {
  length: number;
  count: number;
  size: number;
  before: number;
  reach: number;
}

/** What it costs to copy a key and its value into a tile's neighbourhood, in units of a score. Our choice. */
const COPY_COST = 24;

function cutAxis(length: number, window: number, size: number): AxisCut {
  const reach = size + 2 * window;
  if (reach >= length) return { length, count: 1, size: length, before: 0, reach: length };
  return { length, count: Math.ceil(length / size), size, before: window, reach };
}

/**
 * The cuts of a grid of tokens for windows of +-window tokens that cost least. Small tiles compute few scores outside
 * the windows; large ones copy fewer keys. All sizes that make a different number of tiles are tried.
 */
export function chooseCuts(grid: Grid, window: Grid): AxisCut[] {
  const options = grid.map((length, axis) => {
    const sizes = new Set(Array.from({ length }, (_, i) => Math.ceil(length / (i + 1))));
    return [...sizes].map((size) => cutAxis(length, window[axis]!, size));
  });
  let best: { cuts: AxisCut[]; cost: number } | undefined;
  for (const frames of options[0]!) {
    for (const rows of options[1]!) {
      for (const columns of options[2]!) {
        const cuts = [frames, rows, columns];
        const keys = cuts.reduce((product, { count, reach }) => product * count * reach, 1);
        const queriesPerTile = cuts.reduce((product, { size }) => product * size, 1);
        const cost = keys * (queriesPerTile + COPY_COST);
        if (!best || cost < best.cost) best = { cuts, cost };
      }
    }
  }
  return best!.cuts;
}

/** The queries of each tile: x [B, L, D], tokens in (t, h, w) order -> [B, tiles, size, D], zeros beyond the grid. */
export const cutQueries = (x: tf.Tensor, cuts: readonly AxisCut[]): tf.Tensor =>
  cutTiles(
    x,
    cuts.map((cut) => ({ ...cut, before: 0, reach: cut.size })),
  );

/** All keys that a tile's queries may see: x [B, L, D] -> [B, tiles, reach, D], zeros beyond the grid. */
export function cutTiles(x: tf.Tensor, cuts: readonly AxisCut[]): tf.Tensor {
  const B = x.shape[0]!;
  return tf.tidy(() => {
    let tiles = B;
    let tokens = 1; // of a tile, over the axes that are cut already
    let inner = x.size / B;
    let result = x;
    for (const cut of cuts) {
      inner /= cut.length;
      const unfolded = unfold(tf.reshape(result, [tiles * tokens, cut.length, inner]), cut);
      result = swapMiddle(tf.reshape(unfolded, [tiles, tokens, cut.count, cut.reach * inner]));
      tiles *= cut.count;
      tokens *= cut.reach;
    }
    return tf.reshape(result, [B, tiles / B, tokens, inner]);
  });
}

/** The inverse of `cutQueries`: [B, tiles, size, D] -> [B, L, D]. */
export function joinTiles(x: tf.Tensor, cuts: readonly AxisCut[]): tf.Tensor {
  const [B, perExample, queries, D] = x.shape as [number, number, number, number];
  return tf.tidy(() => {
    let tiles = B * perExample;
    let tokens = queries;
    let inner = D;
    let result = x;
    for (const { length, count, size } of [...cuts].reverse()) {
      tiles /= count;
      tokens /= size;
      const whole = swapMiddle(tf.reshape(result, [tiles, count, tokens, size * inner]));
      result = takeTokens(tf.reshape(whole, [tiles * tokens, count * size, inner]), length);
      inner *= length;
    }
    return tf.reshape(result, [B, inner / D, D]);
  });
}

/** [a, b, c, d] -> [a, c, b, d]. */
function swapMiddle(x: tf.Tensor): tf.Tensor {
  const [a, b, c, d] = x.shape as [number, number, number, number];
  return b === 1 || c === 1 ? tf.reshape(x, [a, c, b, d]) : tf.transpose(x, [0, 2, 1, 3]);
}

/** Overlapping stretches of one axis, put together from shifted copies: [A, length, E] -> [A, count, reach, E]. */
function unfold(x: tf.Tensor, { length, count, size, before, reach }: AxisCut): tf.Tensor {
  const [A, , E] = x.shape as [number, number, number];
  const pieces = Math.ceil(reach / size);
  const end = (pieces - 1 + count) * size;
  const padded = padTokens(x, before, end - before - length);
  if (pieces === 1) return tf.reshape(padded, [A, count, size, E]);
  const shifted = Array.from({ length: pieces }, (_, i) => {
    const piece = tf.reshape(tf.slice(padded, [0, i * size, 0], [A, count * size, E]), [A, count, size, E]);
    const wanted = Math.min(size, reach - i * size);
    return wanted === size ? piece : tf.slice(piece, [0, 0, 0, 0], [A, count, wanted, E]);
  });
  return tf.concat(shifted, 2);
}

/** 1 where a query of a tile sees a key of its neighbourhood, else 0: [tiles, size, reach]. */
export function visibleKeys(cuts: readonly AxisCut[], window: Grid): tf.Tensor {
  const axes = cuts.map((cut, axis) => ({ ...cut, window: window[axis]! })).filter(({ length }) => length > 1);
  return tf.tidy(() => {
    const within = axes.map((axis) => {
      const query = tf.expandDims(tf.range(0, axis.size), 1);
      return toFloat(tf.lessEqual(tf.abs(tf.sub(keyPlaces(axis), query)), axis.window)); // [size, reach]
    });
    const inside = axes.map((axis) => {
      const first = tf.expandDims(tf.mul(tf.range(0, axis.count), axis.size), 1);
      const place = tf.add(first, keyPlaces(axis));
      return toFloat(tf.logicalAnd(tf.greaterEqual(place, 0), tf.less(place, axis.length))); // [count, reach]
    });
    return tf.mul(tf.expandDims(inside.reduce(spread), 1), within.reduce(spread));
  });
}

/** Places of a tile's keys, from its first query on: [reach]. */
const keyPlaces = ({ before, reach }: AxisCut) => tf.range(-before, reach - before);

/** All products of an entry of a and one of b, a's indices first: [m, n], [p, q] -> [m p, n q]. */
function spread(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const [[m, n], [p, q]] = [a.shape, b.shape] as [[number, number], [number, number]];
  return tf.reshape(tf.mul(tf.reshape(a, [m, 1, n, 1]), tf.reshape(b, [1, p, 1, q])), [m * p, n * q]);
}

const toFloat = (x: tf.Tensor) => tf.cast(x, 'float32');
