import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeGridMp4 } from '@eflow/media';

const root = mkdtempSync(join(tmpdir(), 'own-videos-'));
const videos = process.argv[2] ?? (await makeVideos());
const [shards, run] = [join(root, 'shards'), join(root, 'run')];

eflow('data', 'prepare', videos, '--out', shards);
eflow('train', 'videos-tiny', `data.folder=${shards}`, 'training.steps=20', 'optimizer.warmupSteps=5', '--out', run);
eflow('sample', run, '--labels', process.argv[2] ? '0,0,0' : 'falling,rising');
console.log(`Look at ${join(run, 'samples-4-steps')}: ${readdirSync(join(run, 'samples-4-steps')).join(', ')}`);

/** What `npx eflow` runs. */
function eflow(...args: string[]): void {
  console.log(`\n$ npx eflow ${args.join(' ')}`);
  const command = fileURLToPath(import.meta.resolve('eflow'));
  const { status } = spawnSync(process.execPath, [...process.execArgv, command, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** A folder of mp4s in two classes: squares of some colours that fall or rise, 24 frames of 32x32. */
async function makeVideos(): Promise<string> {
  const folder = join(root, 'videos');
  const [F, H, W] = [24, 32, 32] as const;
  for (const label of ['falling', 'rising']) {
    mkdirSync(join(folder, label), { recursive: true });
    for (let n = 0; n < 8; n++) {
      const pixels = new Uint8Array(F * H * W * 3);
      for (let i = 0; i < pixels.length; i++) {
        const [x, y, frame] = [Math.floor(i / 3) % W, Math.floor(i / 3 / W) % H, Math.floor(i / 3 / W / H)];
        const top = label === 'falling' ? frame : H - 8 - frame;
        const isSquare = y >= top && y < top + 8 && Math.abs(x - 4 - 3 * n) < 4;
        pixels[i] = isSquare ? 255 - 30 * (i % 3) : 20 * n;
      }
      await writeGridMp4(join(folder, label, `${n}.mp4`), { pixels, shape: [1, F, H, W, 3] }, { fps: 12 });
    }
  }
  return folder;
}
