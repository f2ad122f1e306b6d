import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpz, writeSafetensors } from '@eflow/checkpoint';
import { prepareVideos } from '@eflow/data';
import { writeGridMp4 } from '@eflow/media';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureState } from '../../fvd/fixtures/i3d-weights.ts';
import type { Measurement } from './measure.ts';

const root = mkdtempSync(join(tmpdir(), 'fvd-cli-'));
afterAll(() => rmSync(root, { recursive: true }));
const weights = join(root, 'i3d.safetensors');

function run(...args: string[]) {
  const main = fileURLToPath(new URL('./cli.ts', import.meta.url));
  const node = ['--import', 'tsx', '--conditions=@eflow/source', main];
  return spawnSync(process.execPath, [...node, ...args], { encoding: 'utf8' });
}
const cache = ['--cache', join(root, 'cache')];
/** A model of mean colours, which takes no time. */
const model = fileURLToPath(new URL('../../fvd/fixtures/means.onnx', import.meta.url));
const means = ['--extractor', 'onnx', '--model', model, '--side', '8'];

/** TensorFlow's, not I3D. */
const other = fileURLToPath(new URL('../../engine/fixtures/saved-model', import.meta.url));

/** Videos of a square that moves right, over a ground of that brightness, in two folders of classes. */
async function writeVideos(name: string, count: number, ground: number, [F, H, W] = [18, 32, 40]): Promise<string> {
  const folder = join(root, name);
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(F! * H! * W! * 3).fill(ground);
    for (let f = 0; f < F!; f++)
      for (let y = 4 + i; y < 12 + i; y++)
        for (let x = f; x < f + 8; x++) data.fill(250, 3 * ((f * H! + y) * W! + x), 3 * ((f * H! + y) * W! + x) + 2);
    mkdirSync(join(folder, `class ${i % 2}`), { recursive: true });
    await writeGridMp4(join(folder, `class ${i % 2}`, `${i}.mp4`), { data, shape: [1, F!, H!, W!, 3] });
  }
  return folder;
}

let [real, generated] = ['', ''];
beforeAll(async () => {
  await writeSafetensors(
    weights,
    [...fixtureState()].map(([name, x]) => [name, { dtype: 'F32', ...x }]),
  );
  real = await writeVideos('real', 6, 20);
  generated = await writeVideos('generated', 5, 90);
});

describe('eflow-fvd', () => {
  it('measures folders of videos by I3D, with the protocol beside the numbers', () => {
    const file = join(root, 'fvd.json');
    const { status, stdout, stderr } = run(real, generated, '--weights', weights, ...cache, '--json', file);
    expect([status, stderr]).toEqual([0, expect.stringContaining('generated')]);
    expect(stdout).toMatch(/FVD .*\n[\s\S]*KVD .*\+-[\s\S]*motion/);
    expect(stdout).toContain('frames to 224x224, bilinear, crop none; covariance over N');
    expect(stdout).toMatch(
      /Warning: 5 videos: .* biased upwards; real ones against real ones, 3 each, are already \S+ apart/,
    );
    expect(stdout).toMatch(/Warning: 6 real and 5 generated/);
    const { protocol, frechetDistance, floor, motion }: Measurement = JSON.parse(readFileSync(file, 'utf8'));
    expect(protocol).toMatchObject({ extractor: 'I3D, Kinetics-400', numReal: 6, numGenerated: 5, numFrames: 16 });
    expect(protocol.weightsSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(frechetDistance).toBeGreaterThan(floor!.frechetDistance);
    expect(motion!.motion.real).toBeGreaterThan(motion!.motion.generated); // the ground is nearer to the square

    // Again from the cache, whose files are those of both: nothing is looked at.
    expect(readdirSync(join(root, 'cache'))).toHaveLength(2);
    const again = join(root, 'again.json');
    const cached = run(real, generated, '--weights', weights, ...cache, '--json', again);
    expect([cached.status, cached.stderr]).toEqual([0, '']);
    expect(JSON.parse(readFileSync(again, 'utf8'))).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });

  it('measures features, prepared videos, and by a model of the user', async () => {
    const [before, after] = [join(root, 'before.json'), join(root, 'after.json')];
    expect(run(real, generated, ...means, ...cache, '--json', before).status).toBe(0);
    const out = join(root, 'real.npz');
    expect(run('features', real, out, ...means).stdout).toContain('features [6, 4]');
    const { status, stdout } = run(out, generated, ...means, ...cache, '--json', after);
    expect(status).toBe(0);
    const other = run(out, generated, ...means, '--mean', '0.5,0.5,0.5', ...cache);
    expect(other.stderr).toContain('preprocessing is BFCHW, mean 0.485,0.456,0.406');
    expect(other.status).toBe(1);
    expect(run('table', before, after).stdout).toMatch(/^\| before \| (\S+) \|.*\n\| after \| \1 \|/m);
    const swapped = join(root, 'swapped.json');
    expect(run(generated, real, ...means, ...cache, '--json', swapped).status).toBe(0);
    expect(run('table', before, swapped).stderr).toContain('numReal is 6 in one result and 5 in another');
    const copies = run(real, real, ...means, ...cache);
    expect(copies.stdout).toMatch(/Warning: generated videos are far nearer to real ones .*: copies\?/);
    expect(stdout).not.toContain('copies?');
    const files = run(out, out); // which say themselves what they are of
    expect(files.stdout).toMatch(/means\.onnx, pooled, weights [0-9a-f]{12}; 6 real \(train\) and 6 generated/);
    expect(stdout).toContain('Frechet distance (means.onnx, not FVD)');
    expect(JSON.parse(readFileSync(after, 'utf8'))).toEqual(JSON.parse(readFileSync(before, 'utf8')));

    const frames = run(real, generated, '--extractor', 'nsfwjs', '--no-cache');
    expect(frames.stdout).toMatch(/Frechet distance \(MobileNet v2 of nsfwjs, frame by frame, not FVD\) +\S+/);

    const shards = join(root, 'shards');
    await prepareVideos({ source: { path: real }, out: shards, height: 32, width: 40 });
    const prepared = run(shards, shards, ...means, '--no-cache', '--frames', '18', '--protocol', 'common-metrics');
    expect(prepared.status).toBe(0);
    expect(Number(/^Frechet .* {2}(\S+)$/m.exec(prepared.stdout)![1])).toBeLessThan(1e-6);
    expect(prepared.stdout).toContain('crop centre');
  });

  it.each<[args: () => string[], message: RegExp]>([
    [() => [real, generated], /weights cannot be shipped: give them with --weights/],
    [() => [real, generated, '--weights', 'i3d_pretrained_400.pt'], /is a pickle, which could hold code/],
    [
      () => [real, generated, ...means, '--weights-sha256', 'ABC1'],
      /weights of means\.onnx have SHA-256 [0-9a-f]{64}, not abc1/,
    ],
    [() => [real, generated, '--weights', other], /saved-model cannot be read: .*RGB\/inception_i3d\/Conv3d_1a_7x7/],
    [() => [real, generated, '--weights', weights, '--frames', '8'], /8 frames; I3D, Kinetics-400 needs at least 9/],
    [() => [real, generated, '--extractor', 'onnx'], /needs the file of its model: --model/],
    [() => [real, generated, '--extractor', 'digits'], /frames are RGB; moving-digits classifier takes 1 channels/],
    [() => [real, join(root, 'nowhere'), ...means], /nowhere: no such file or folder/],
    [() => [real, generated, ...means, '--frames', '40'], /rejected .*too-short[\s\S]*there are no clips/],
  ])('refuses %#', (args, message) => {
    const { status, stderr } = run(...args(), '--no-cache');
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  it('refuses features of another name, mixed sizes and an empty folder', async () => {
    const wrong = join(root, 'wrong.npz');
    await writeNpz(wrong, { logits: { shape: [4, 2], data: new Float32Array(8) } });
    const foreign = join(root, 'foreign.npz');
    await writeNpz(foreign, { features: { shape: [4, 2], data: Float32Array.of(0, 1, 2, 3, 5, 5, 7, 6) } });
    expect(run(foreign, foreign).stdout).toContain('foreign.npz does not say what its features are of');
    const compare = (path: string) => run(path, generated, ...means, '--no-cache').stderr;
    expect(compare(wrong)).toContain("expected an array 'features'");
    const mixed = await writeVideos('mixed', 2, 10);
    await writeVideos('mixed/class 2', 1, 10, [18, 48, 40]);
    expect(compare(mixed)).toMatch(/frames of 48x40, those before it 32x40/);
    mkdirSync(join(root, 'empty'));
    writeFileSync(join(root, 'empty', 'notes.txt'), 'no video');
    expect(compare(join(root, 'empty'))).toContain('there is no video: files that end with');
  });

  it('self-check tells weights that are not those of FVD', () => {
    const { status, stdout } = run('self-check', '--weights', weights);
    expect(stdout).toMatch(/expected about 131: FAIL/);
    expect(status).toBe(1);
  });
});
