import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { expect, it } from 'vitest';
import { plot, saveFigure, toSvg } from './index.ts';

it('writes a figure as SVG that stands alone and as PNG of the size that is asked for', () => {
  const svg = toSvg(plot({ width: 120, height: 80, marks: [Plot.dot([[1, 2]])] }));
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  const folder = join(mkdtempSync(join(tmpdir(), 'eflow-figures-')), 'new');
  expect(saveFigure(folder, 'dot', svg, 1.5)).toEqual([join(folder, 'dot.svg'), join(folder, 'dot.png')]);
  expect(readFileSync(join(folder, 'dot.svg'), 'utf8')).toBe(svg);
  const png = readFileSync(join(folder, 'dot.png'));
  expect(png.subarray(1, 4).toString()).toBe('PNG');
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([180, 120]);
});
