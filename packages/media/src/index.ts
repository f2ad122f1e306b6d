export { type Clips, type ClipsShape, toClips } from './clips.ts';
export { writeGridGif } from './gif.ts';
export type { GridOptions } from './grid.ts';
export { checkPicture, type PictureFormat } from './limits.ts';
export { canWriteMp4, writeGridMp4 } from './mp4.ts';
export { type PngOptions, writeGridPng } from './png.ts';
export { gridWebp, type MovieOptions, writeGridWebp } from './webp.ts';
