import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeClips } from '@eflow/data';
import { useTensorFlow } from '@eflow/engine';
import { formatMeasurement, loadExtractor, look, measure, openSource } from '@eflow/measure';

const [real, generated] = process.argv.length > 3 ? process.argv.slice(2) : makeFolders();

await useTensorFlow();
const extractor = await loadExtractor({ name: 'nsfwjs', resize: { rule: 'bilinear', crop: 'none' } });
const spec = { numFrames: 8, frameStride: 2, most: 256, seed: 0 }; // every second frame of a video
const [a, b] = [
  await look(extractor, await openSource(real!, spec)),
  await look(extractor, await openSource(generated!, spec)),
];
console.log(formatMeasurement(measure(a, b, { covarianceRule: 'N', split: 'train' })));

/** Two folders of clips, 16 frames of 32x32: a square that moves right, in the second with noise. */
function makeFolders(): [real: string, generated: string] {
  const root = mkdtempSync(join(tmpdir(), 'measure-fvd-'));
  const [numClips, F, H, W] = [12, 16, 32, 32] as const;
  for (const [name, noise] of [
    ['real', 0],
    ['generated', 60],
  ] as const) {
    const pixels = new Uint8Array(numClips * F * H * W * 3);
    for (let i = 0; i < pixels.length; i++) {
      const [x, y] = [Math.floor(i / 3) % W, Math.floor(i / 3 / W) % H];
      const [frame, clip] = [Math.floor(i / 3 / W / H) % F, Math.floor(i / 3 / W / H / F)];
      const isSquare = Math.abs(x - 6 - frame) < 5 && Math.abs(y - 6 - clip) < 5;
      pixels[i] = (isSquare ? 190 : 15 * clip) + (noise * (Math.imul(i, 0x9e3779b1) >>> 24)) / 255;
    }
    writeClips(join(root, name), { pixels, shape: [numClips, F, H, W, 3] });
  }
  return [join(root, 'real'), join(root, 'generated')];
}
