import sharp from 'sharp';
import { drawFrames } from './grid.ts';
import { gridWebp } from './webp.ts';
for (const channels of [1,3] as const) {
const clips = { data: Uint8Array.from({ length: 5 * 4 * 7 * 9 * channels }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24), shape: [5, 4, 7, 9, channels] as const };
const f = drawFrames(clips, { columns: 3, scale: 2 });
const b = await gridWebp(clips, { columns: 3, scale: 2 });
const m = await sharp(b, {pages: -1}).metadata(); console.log(m.pages, m.channels, m.space, m.hasAlpha);
const all = await sharp(b, {pages: -1}).removeAlpha().raw().toBuffer();
const exp = Buffer.concat(f.map(x => Buffer.from(x.channels === 3 ? x.data : x.data)));
console.log(channels, all.length, exp.length, [...all.subarray(0, 24)], [...exp.subarray(0, 24)]);
let bad = 0; for (let i = 0; i < all.length; i++) if (all[i] !== exp[channels === 3 ? i : Math.floor(i / 3)]) bad++;
console.log('bad', bad);
for (let p = 0; p < 4; p++) { const one = await sharp(b, { page: p }).removeAlpha().raw().toBuffer(); console.log(p, Buffer.compare(one, all.subarray(p * one.length, (p+1)*one.length))); }
}
