export { writeGridGif } from './gif.ts';
export { drawFrames, type GridOptions, type Image, type MovieOptions, type PngOptions } from './grid.ts';
export { checkPicture, type PictureFormat } from './limits.ts';
export { canWriteMp4, writeGridMp4 } from './mp4.ts';
export { writeGridPng } from './png.ts';
export { gridWebp, writeGridWebp } from './webp.ts';
