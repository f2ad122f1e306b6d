import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as Plot from '@observablehq/plot';
import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';

const STYLE = {
  fontFamily: 'Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif',
  background: 'white',
  color: 'black',
};

type Figure = ReturnType<typeof Plot.plot>;

/** A figure of Observable Plot without a browser, black on white; `fontSize` in pixels. */
export function plot({ fontSize = 12, ...options }: Plot.PlotOptions & { fontSize?: number }): Figure {
  const { document } = parseHTML('<html><body></body></html>');
  return Plot.plot({ document, style: { ...STYLE, fontSize: `${fontSize}px` }, ...options });
}

/** Round numbers for a logarithmic axis, whose own format leaves out some: `factors` times powers of ten, from `least` to `most`. */
export function roundNumbers(least: number, most: number, factors: readonly number[] = [1, 2, 5]): number[] {
  const powers = Array.from({ length: 16 }, (_, i) => i - 8);
  const numbers = powers.flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)));
  return numbers.filter((value) => value >= least && value <= most);
}

/** As a file of its own; of a figure without a title, which would make it HTML. */
export function toSvg(figure: Figure): string {
  figure.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${figure.outerHTML}\n`;
}

/** PNG of `zoom` times the size in pixels, with the system's fonts. */
export function renderPng(svg: string, zoom = 2): Uint8Array {
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' };
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: zoom }, background: 'white', font }).render().asPng();
}

/** Writes `name`.svg and `name`.png into `folder`, which is made if need be; returns their paths. */
export function saveFigure(folder: string, name: string, svg: string, zoom?: number): string[] {
  mkdirSync(folder, { recursive: true });
  return Object.entries({ svg, png: renderPng(svg, zoom) }).map(([ending, content]) => {
    const path = join(folder, `${name}.${ending}`);
    writeFileSync(path, content);
    return path;
  });
}
