import { type Clips, type ClipsShape, clipBytes } from '@eflow/tensor/clips';

/** How clips are laid out in a grid, in reading order. */
export interface GridOptions {
  /** Cells per row; the least square grid that holds all clips unless given. */
  columns?: number;
  /** Every pixel is drawn as scale x scale equal pixels; 1 unless given. */
  scale?: number;
  /** Width of the grey lines between cells in pixels of the file; 1 unless given. */
  border?: number;
  /** What is written below each clip, in up to three lines of Latin letters; nothing unless given. */
  captions?: readonly string[];
}

export interface PngOptions extends GridOptions {
  /** 'first': a grid of first frames, which is the default; 'strip': a row per clip, a column per frame. */
  frames?: 'first' | 'strip';
}

/** How clips move: all cells of the grid play at once. */
export interface MovieOptions extends GridOptions {
  /** Frames per second; 8 unless given. */
  fps?: number;
}

/** `data` uint8 [height, width, channels]. */
export interface Image {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 1 | 3;
}

/** Pixels below a cell that a caption has, however short it is. */
export const CAPTION_HEIGHT = 41;

/** The value of the lines between cells, and of places without a clip. */
export const BORDER_GREY = 96;

/** Throws an Error that names what is wrong unless pixels fill the shape, no axis is empty and C is 1 or 3. */
export function checkClips(clips: Clips): void {
  clipBytes('clips', clips);
  const channels = clips.shape[4];
  if (channels !== 1 && channels !== 3) throw new Error(`clips: expected 1 channel (grey) or 3 (RGB), got ${channels}`);
}

/** One image per frame, on which all clips are side by side. Throws on bad clips or options. */
export function drawFrames(clips: Clips, options: GridOptions): Image[] {
  checkClips(clips);
  const [numClips, numFrames] = clips.shape;
  return Array.from({ length: numFrames }, (_, frame) => {
    const cells = Array.from({ length: numClips }, (_, clip) => frameOf(clips, clip, frame));
    return drawCells(cells, clips, options);
  });
}

/** One image with a row per clip and a column per frame. Throws on bad clips or options. */
export function drawStrip(clips: Clips, options: GridOptions): Image {
  checkClips(clips);
  const [numClips, numFrames] = clips.shape;
  const cells = Array.from({ length: numClips * numFrames }, (_, i) =>
    frameOf(clips, Math.floor(i / numFrames), i % numFrames),
  );
  return drawCells(cells, clips, { ...options, columns: numFrames });
}

/** A view of one frame, [H, W, C]. */
function frameOf({ pixels, shape }: Clips, clip: number, frame: number): Uint8Array {
  const [, numFrames, height, width, channels] = shape;
  const size = height * width * channels;
  const start = (clip * numFrames + frame) * size;
  return pixels.subarray(start, start + size);
}

/** Width and height in pixels of a grid of cells, its columns and the pixels from one cell to the next. Throws on bad options. */
export function gridSize(numCells: number, shape: ClipsShape, options: GridOptions) {
  const { columns = Math.ceil(Math.sqrt(numCells)), scale = 1, border = 1, captions } = options;
  checkInteger('columns', columns, 1);
  checkInteger('scale', scale, 1);
  checkInteger('border', border, 0);
  const [, , cellHeight, cellWidth] = shape;
  const stepX = cellWidth * scale + border;
  const stepY = cellHeight * scale + (captions ? CAPTION_HEIGHT : 0) + border;
  const rows = Math.ceil(numCells / columns);
  return { width: columns * stepX - border, height: rows * stepY - border, columns, scale, border, stepX, stepY };
}

function drawCells(cells: Uint8Array[], { shape }: Clips, options: GridOptions): Image {
  const { width, height, columns, scale, stepX, stepY } = gridSize(cells.length, shape, options);
  const [, , cellHeight, cellWidth, cellChannels] = shape;
  const channels = cellChannels === 1 ? 1 : 3;
  const data = new Uint8Array(height * width * channels).fill(BORDER_GREY);
  const row = new Uint8Array(cellWidth * scale * channels);
  cells.forEach((cell, i) => {
    const left = (i % columns) * stepX;
    const top = Math.floor(i / columns) * stepY;
    for (let y = 0; y < cellHeight; y++) {
      for (let to = 0; to < row.length; to += channels) {
        const from = (y * cellWidth + Math.floor(to / channels / scale)) * channels;
        for (let channel = 0; channel < channels; channel++) row[to + channel] = cell[from + channel]!;
      }
      for (let copy = 0; copy < scale; copy++) data.set(row, ((top + y * scale + copy) * width + left) * channels);
    }
  });
  return { data, width, height, channels };
}

function checkInteger(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new Error(`${name}: expected an integer of at least ${least}, got ${value}`);
}

/** The pixels as [height, width, 4] with an opaque alpha; grey becomes equal R, G and B. */
export function toRgba({ data, channels }: Image): Uint8Array {
  const rgba = new Uint8Array((data.length / channels) * 4);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    rgba[to] = data[from]!;
    rgba[to + 1] = data[from + (channels === 3 ? 1 : 0)]!;
    rgba[to + 2] = data[from + channels - 1]!;
    rgba[to + 3] = 255;
  }
  return rgba;
}
