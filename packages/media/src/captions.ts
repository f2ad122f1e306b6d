import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { ClipsShape } from '@eflow/tensor/clips';
import type { Font } from 'opentype.js';
import { BORDER_GREY, CAPTION_HEIGHT, type GridOptions, gridSize, type Image } from './grid.ts';

const FONT = '@fontsource/roboto/files/roboto-latin-400-normal.woff';
/** Pixels of the letters, of a line of them, and to its left and right. */
const FONT_SIZE = 11;
const LINE_HEIGHT = 13;
const MARGIN = 2;
const MOST_LINES = Math.floor(CAPTION_HEIGHT / LINE_HEIGHT);

/**
 * Writes the captions of the options below the clips of a grid, into images of `drawFrames`; below the rows of a strip. Without captions
 * nothing. Throws unless there is one for each clip.
 */
export async function addCaptions(
  images: readonly Image[],
  shape: ClipsShape,
  options: GridOptions,
  isStrip = false,
): Promise<void> {
  const { captions } = options;
  if (!captions) return;
  const [numClips, numFrames] = shape;
  if (captions.length !== numClips) {
    throw new Error(`captions: expected one for each of ${numClips} clips, got ${captions.length}`);
  }
  const span = isStrip ? numFrames : 1;
  const { columns, border, stepX, stepY } = gridSize(numClips * span, shape, {
    ...options,
    ...(isStrip && { columns: numFrames }),
  });
  const width = span * stepX - border;
  const texts = await drawTexts(captions, width);
  for (const image of images) {
    texts.forEach((grey, i) => {
      const left = ((i * span) % columns) * stepX;
      const top = (Math.floor((i * span) / columns) + 1) * stepY - border - CAPTION_HEIGHT;
      for (let at = 0; at < grey.length; at++) {
        const to = ((top + Math.floor(at / width)) * image.width + left + (at % width)) * image.channels;
        image.data.fill(grey[at]!, to, to + image.channels);
      }
    });
  }
}

let loaded: Promise<Font> | undefined;

/** Texts in white on the grey of borders, each uint8 [CAPTION_HEIGHT, width]. */
async function drawTexts(texts: readonly string[], width: number): Promise<Uint8Array[]> {
  loaded ??= loadFont();
  const [font, { default: sharp }] = await Promise.all([loaded, import('sharp')]);
  const fits = (line: string) => font.getAdvanceWidth(line, FONT_SIZE) <= width - 2 * MARGIN;
  const outlines = texts.flatMap((text, i) =>
    breakLines(text, fits).map((line, j) => {
      const baseline = i * CAPTION_HEIGHT + j * LINE_HEIGHT + FONT_SIZE;
      return font.getPath(line, MARGIN, baseline, FONT_SIZE).toPathData(2);
    }),
  );
  const size = `width="${width}" height="${texts.length * CAPTION_HEIGHT}"`;
  const grey = `rgb(${BORDER_GREY},${BORDER_GREY},${BORDER_GREY})`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect ${size} fill="${grey}"/><path fill="white" d="${outlines.join('')}"/></svg>`;
  const pixels = await sharp(Buffer.from(svg), { unlimited: true }).removeAlpha().extractChannel(0).raw().toBuffer();
  const length = CAPTION_HEIGHT * width;
  return texts.map((_, i) => pixels.subarray(i * length, (i + 1) * length));
}

/** A font of a package: those of the system differ, and there may be none. */
async function loadFont(): Promise<Font> {
  const file = createRequire(import.meta.url).resolve(FONT);
  const [{ default: opentype }, bytes] = await Promise.all([import('opentype.js'), readFile(file)]);
  return opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** The words of a text in lines that fit, three at most; `...` at the end of the last says that there are more. */
export function breakLines(text: string, fits: (line: string) => boolean): string[] {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length === 0 || !fits(longer)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  if (lines.length <= MOST_LINES) return lines;
  return [...lines.slice(0, MOST_LINES - 1), `${lines[MOST_LINES - 1]} ...`];
}
