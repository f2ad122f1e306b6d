import { VideoError } from './entry.ts';

export interface Size {
  height: number;
  width: number;
}

/** A filter of FFmpeg's and its arguments. */
export type FilterSpec = readonly [name: string, args: string | null];

/** What a container and its codec say of how frames are to be shown. */
export interface PictureFacts {
  /** Pixels of a frame as it was coded. */
  coded: Size;
  /** Width of a pixel over its height; 1 for square ones. */
  pixelAspect: number;
  /** Nine int32 in fixed point, by rows, that turn coded places into shown ones; null: as coded. */
  displayMatrix: Buffer | null;
  /** Pixels to cut off, four uint32: top, bottom, left, right; null: none. */
  cropping: Buffer | null;
}

/** The eight ways to show a rectangle upright, by the signs of (x, y) -> (a x + c y, b x + d y), as `${a} ${b} ${c} ${d}`. */
const TURNS: Readonly<Record<string, readonly FilterSpec[]>> = {
  '1 0 0 1': [],
  '-1 0 0 1': [['hflip', null]],
  '1 0 0 -1': [['vflip', null]],
  '-1 0 0 -1': [
    ['hflip', null],
    ['vflip', null],
  ],
  '0 1 -1 0': [['transpose', 'clock']],
  '0 -1 1 0': [['transpose', 'cclock']],
  '0 1 1 0': [['transpose', 'cclock_flip']],
  '0 -1 -1 0': [['transpose', 'clock_flip']],
};
/** Anti-aliased bilinear, as Pillow's and JAX's resize. */
const SCALING = 'bilinear+accurate_rnd+full_chroma_int';
const MAX_SIDE = 8192;

/**
 * The filters that make a coded frame what a player shows: cropped, with square pixels, upright. With a size, frames are made as small
 * as covers it, and their middle is cut out; otherwise only their width changes, where pixels are not square. Throws a `VideoError` if
 * the frame as it is shown, or as it covers the size, has more than `maxPixels`, or a side of over 8,192.
 */
export function pictureFilters(facts: PictureFacts, size: Size | undefined, maxPixels: number): FilterSpec[] {
  const signs = turnSigns(facts.displayMatrix);
  const turn = TURNS[signs.join(' ')]!;
  const isOnItsSide = signs[0] === 0;
  const crop = cropOf(facts);
  const shown = { height: crop.height, width: Math.max(1, Math.round(crop.width * facts.pixelAspect)) };
  checkPixels(shown, maxPixels);
  const isCropped = crop.height !== facts.coded.height || crop.width !== facts.coded.width;
  const target = size && (isOnItsSide ? { height: size.width, width: size.height } : size);
  return [
    ...(isCropped ? [['crop', `${crop.width}:${crop.height}:${crop.left}:${crop.top}`] as const] : []),
    ...(target ? cover(crop, shown, target, maxPixels) : scaleTo(crop, shown)),
    ['format', 'pix_fmts=rgb24'],
    ...turn,
  ];
}

function turnSigns(matrix: Buffer | null): [a: number, b: number, c: number, d: number] {
  if (!matrix || matrix.length < 36) return [1, 0, 0, 1];
  const [a, b, c, d] = [0, 1, 3, 4].map((i) => matrix.readInt32LE(4 * i)) as [number, number, number, number];
  const sign = (value: number) => (value < 0 ? -1 : 1);
  // The nearest of the eight: cameras turn by quarters, up to a degree or so.
  return Math.abs(a) >= Math.abs(b) ? [sign(a), 0, 0, sign(d)] : [0, sign(b), sign(c), 0];
}

function cropOf({ coded, cropping }: PictureFacts): Size & { top: number; left: number } {
  if (!cropping || cropping.length < 16) return { ...coded, top: 0, left: 0 };
  const side = (i: number) => cropping.readUInt32LE(4 * i);
  const [top, bottom, left, right] = [side(0), side(1), side(2), side(3)];
  const [height, width] = [coded.height - top - bottom, coded.width - left - right];
  // What leaves nothing is damage; players show the whole frame then.
  return height > 0 && width > 0 ? { height, width, top, left } : { ...coded, top: 0, left: 0 };
}

/** Scales to what covers the target with the shape that is shown, and cuts the middle out. */
function cover(own: Size, shown: Size, { height, width }: Size, maxPixels: number): FilterSpec[] {
  const scaled = {
    height: Math.max(height, Math.round((width * shown.height) / shown.width)),
    width: Math.max(width, Math.round((height * shown.width) / shown.height)),
  };
  if (scaled.height * scaled.width > maxPixels) {
    throw new VideoError(
      'too-many-pixels',
      `its frames are ${shown.width}x${shown.height}: to cover ${width}x${height} they would have ${scaled.width}x${scaled.height} pixels`,
    );
  }
  return [...scaleTo(own, scaled), ['crop', `${width}:${height}`]];
}

/** Nothing for frames that have the size: FFmpeg would move the colours of some by a part of a pixel. */
const scaleTo = (own: Size, { height, width }: Size): FilterSpec[] =>
  own.height === height && own.width === width ? [] : [['scale', `${width}:${height}:flags=${SCALING}`]];

/** Throws a `VideoError` if frames of that size are not read. */
export function checkPixels({ height, width }: Size, maxPixels: number): void {
  if (!(width >= 1 && height >= 1)) throw new VideoError('format', `its frames are ${width}x${height} pixels`);
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= maxPixels) return;
  throw new VideoError(
    'too-many-pixels',
    `its frames are ${width}x${height}; at most ${MAX_SIDE} to a side and ${maxPixels} pixels are read`,
  );
}
