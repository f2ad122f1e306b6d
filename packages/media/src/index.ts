export { writeGridGif } from './gif.ts';
export type { GridOptions, MovieOptions, PngOptions } from './grid.ts';
export { checkPicture, type PictureFormat } from './limits.ts';
export { canWriteMp4, writeGridMp4 } from './mp4.ts';
export { writeGridPng } from './png.ts';
export { gridWebp, writeGridWebp } from './webp.ts';
