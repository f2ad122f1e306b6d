import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpz, writeSafetensors } from '@eflow/checkpoint';
import { openVideos, prepareVideos, takeClips, writeClips } from '@eflow/data';
import { cacheFolder } from '@eflow/engine';
import {
  createNsfwjsExtractor,
  extractFeatures,
  finishStatistics,
  frechetDistance,
  PROTOCOL_PRESETS,
  sumFeatures,
} from '@eflow/fvd';
import { writeGridMp4 } from '@eflow/media';
import type { Clips } from '@eflow/tensor';
import { runHere } from '@eflow/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureState } from '../../fvd/fixtures/i3d-weights.ts';
import { readSeen } from './feature-cache.ts';
import type { Measurement } from './measure.ts';
import { describeExtractor } from './self-checked.ts';

const root = mkdtempSync(join(tmpdir(), 'measure-'));
afterAll(() => rmSync(root, { recursive: true }));
const weights = join(root, 'i3d.safetensors');

const cli = new URL('./cli.ts', import.meta.url);
/** Runs the command in this process, where TensorFlow is loaded already. */
const run = (...args: string[]) => runHere(cli, ...args);
const cache = ['--cache', join(root, 'cache')];
const readMeasurement = (file: string): Measurement => JSON.parse(readFileSync(file, 'utf8'));
/** A model of mean colours, which takes no time. */
const model = fileURLToPath(new URL('../../fvd/fixtures/means.onnx', import.meta.url));
const means = ['--extractor', 'onnx', '--model', model, '--side', '8'];

/** TensorFlow's, not I3D. */
const other = fileURLToPath(new URL('../../engine/fixtures/saved-model', import.meta.url));

/** Videos of a square that moves right, over a ground of that brightness, in two folders of classes. */
async function writeVideos(name: string, count: number, ground: number, [F, H, W] = [18, 32, 40]): Promise<string> {
  const folder = join(root, name);
  for (let i = 0; i < count; i++) {
    const pixels = new Uint8Array(F! * H! * W! * 3).fill(ground);
    for (let f = 0; f < F!; f++)
      for (let y = 4 + i; y < 12 + i; y++)
        for (let x = f; x < f + 8; x++) pixels.fill(250, 3 * ((f * H! + y) * W! + x), 3 * ((f * H! + y) * W! + x) + 2);
    mkdirSync(join(folder, `class ${i % 2}`), { recursive: true });
    await writeGridMp4(join(folder, `class ${i % 2}`, `${i}.mp4`), { pixels, shape: [1, F!, H!, W!, 3] });
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
  it('is a command, which ends with the message of an error', () => {
    const node = ['--import', 'tsx', '--conditions=@eflow/source', fileURLToPath(cli)];
    const { status, stderr } = spawnSync(process.execPath, [...node, 'nowhere', 'nowhere'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, expect.stringContaining('\nfvd: nowhere: no such file or folder')]);
  });

  it('measures folders of videos by I3D, with the protocol beside the numbers', async () => {
    const file = join(root, 'fvd.json');
    const { status, stdout, stderr } = await run(real, generated, '--weights', weights, ...cache, '--json', file);
    expect([status, stderr]).toEqual([0, expect.stringContaining('generated')]);
    expect(stdout).toMatch(/FVD \(weights unknown\) .*\n[\s\S]*KVD .*\+-[\s\S]*motion/);
    expect(stdout).toMatch(/I3D, logits, weights unknown \(sha256 [0-9a-f]{12}\); 6 of 6 real videos/);
    expect(stdout).toMatch(/Warning: nothing tells that these weights .* eflow-fvd self-check --weights FILE/);
    expect(stdout).toContain('frames to 224x224, bilinear, crop none; covariance over N');
    expect(stdout).toMatch(
      /Warning: 5 videos: .* biased upwards; real ones against real ones, 3 each, are already \S+ apart/,
    );
    expect(stdout).toMatch(/Warning: 6 real and 5 generated/);
    const { protocol, frechetDistance, floor, motion } = readMeasurement(file);
    expect(protocol).toMatchObject({ extractor: 'I3D', numReal: 6, numGenerated: 5, numFrames: 16 });
    expect(protocol.weightsSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(frechetDistance).toBeGreaterThan(floor!.frechetDistance);
    expect(motion!.motion.real).toBeGreaterThan(motion!.motion.generated); // the ground is nearer to the square

    // Again from the cache, whose files are those of both: nothing is looked at.
    expect(readdirSync(join(root, 'cache'))).toHaveLength(2);
    const again = join(root, 'again.json');
    const cached = await run(real, generated, '--weights', weights, ...cache, '--json', again);
    expect([cached.status, cached.stderr]).toEqual([0, '']);
    expect(JSON.parse(readFileSync(again, 'utf8'))).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });

  it('measures features, prepared videos, and by a model of the user', async () => {
    const [before, after] = [join(root, 'before.json'), join(root, 'after.json')];
    expect((await run(real, generated, ...means, ...cache, '--json', before)).status).toBe(0);
    const out = join(root, 'real.npz');
    expect((await run('features', real, out, ...means)).stdout).toContain('features [6, 4]');
    const { status, stdout } = await run(out, generated, ...means, ...cache, '--json', after);
    expect(status).toBe(0);
    const other = await run(out, generated, ...means, '--mean', '0.5,0.5,0.5', ...cache);
    expect(other.stderr).toContain('preprocessing is BFCHW, mean 0.485,0.456,0.406');
    expect(other.status).toBe(1);
    expect((await run('table', before, after)).stdout).toMatch(/^\| before \| (\S+) \|.*\n\| after \| \1 \|/m);
    const swapped = join(root, 'swapped.json');
    expect((await run(generated, real, ...means, ...cache, '--json', swapped)).status).toBe(0);
    expect((await run('table', before, swapped)).stderr).toContain('numReal is 6 in one result and 5 in another');
    const copies = await run(real, real, ...means, ...cache);
    expect(copies.stdout).toMatch(/Warning: generated videos are far nearer to real ones .*: copies\?/);
    expect(stdout).not.toContain('copies?');
    const files = await run(out, out); // which say themselves what they are of
    expect(files.stdout).toMatch(
      /means\.onnx, pooled, weights [0-9a-f]{12}; 6 of 6 real videos \(train\) and 6 of 6 generated/,
    );
    expect(stdout).toContain('Frechet distance (means.onnx, not FVD)');
    expect(JSON.parse(readFileSync(after, 'utf8'))).toEqual(JSON.parse(readFileSync(before, 'utf8')));

    const frames = await run(real, generated, '--extractor', 'nsfwjs', '--no-cache');
    expect(frames.stdout).toMatch(/Frechet distance \(MobileNet v2 of nsfwjs, frame by frame, not FVD\) +\S+/);

    const shards = join(root, 'shards');
    await prepareVideos({ source: { path: real }, out: shards, height: 32, width: 40 });
    const prepared = await run(
      shards,
      shards,
      ...means,
      '--no-cache',
      '--frames',
      '18',
      '--protocol',
      'common-metrics',
    );
    expect(prepared.status).toBe(0);
    expect(Number(/^Frechet .* {2}(\S+)$/m.exec(prepared.stdout)![1])).toBeLessThan(1e-6);
    expect(prepared.stdout).toContain('crop centre');
  });

  it('draws videos by the seed, the next one for each that cannot be used, and accounts for all', async () => {
    // Sorted by class: six dark videos, six bright ones, and two that are too short.
    const folder = await writeVideos('sorted/a dark', 6, 20);
    await writeVideos('sorted/b bright', 6, 200);
    await writeVideos('sorted/short', 2, 90, [5, 32, 40]);
    const names = readdirSync(dirname(folder), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.mp4'),
    );
    expect(names).toHaveLength(14);
    const by = async (order: string[], name: string, ...more: string[]) => {
      const [list, json] = [join(dirname(folder), `${name}.csv`), join(root, `${name}.json`)];
      writeFileSync(list, `path\n${order.join('\n')}\n`);
      const { stdout, stderr } = await run(list, list, ...means, '--no-cache', '--json', json, ...more);
      return { stdout, stderr, ...readMeasurement(json) };
    };
    const all = await by([...names].sort(), 'all');
    expect(all.stdout).toContain(
      'real: 14 videos seen = 12 measured + 0 not drawn + 2 rejected (too-short 2) + 0 skipped',
    );
    expect(all.stderr).toMatch(/real: rejected short\/.* \(too-short\): it has 5 frames, and 16 are needed/);
    expect(all.videos.generated.rejections).toHaveLength(2);
    expect(all.protocol).toMatchObject({ numReal: 12, realDraw: { of: 14, start: 'first' } });
    expect(all.protocol.realDraw).not.toHaveProperty('seed');

    const few = ['--videos', '8', '--seed', '1'];
    const drawn = await by([...names].sort(), 'drawn', ...few);
    expect(drawn.protocol).toMatchObject({ numReal: 8, realDraw: { of: 14, start: 'first', seed: 1 } });
    const { seen, measured, notDrawn, rejected } = drawn.videos.real;
    expect([seen, measured, measured + notDrawn + rejected]).toEqual([14, 8, 14]);
    expect(drawn.stdout).toContain('8 of 14 real videos (train, drawn by seed 1) and 8 of 14 generated videos');
    // Bright and dark ones, whatever the order of the list.
    const { motion, frechetDistance, videos } = await by([...names].sort().reverse(), 'reversed', ...few);
    expect({ motion, frechetDistance, videos }).toEqual({
      motion: drawn.motion,
      frechetDistance: drawn.frechetDistance,
      videos: drawn.videos,
    });
    const out = join(root, 'drawn.npz');
    const features = await run('features', join(dirname(folder), 'drawn.csv'), out, ...means, ...few);
    expect(features.stdout).toMatch(/videos: 14 videos seen = 8 measured .*\n.*drawn\.npz: features \[8, 4\]/);
    const stored = await run(
      out,
      join(dirname(folder), 'drawn.csv'),
      ...means,
      '--no-cache',
      '--json',
      join(root, 's.json'),
      ...few,
    );
    expect(stored.status).toBe(0);
    expect(readMeasurement(join(root, 's.json')).videos).toEqual(drawn.videos);
    expect(readMeasurement(join(root, 's.json')).frechetDistance).toBe(drawn.frechetDistance);

    const shards = join(root, 'sorted-shards');
    await prepareVideos({ source: { path: dirname(folder) }, out: shards, height: 32, width: 40 });
    const prepared = await run(shards, shards, ...means, '--no-cache', '--videos', '9');
    expect(prepared.stdout).toContain(
      'real: 14 videos seen = 9 measured + 3 not drawn + 2 rejected (too-short 2) + 0 skipped',
    );
    expect(prepared.stdout).toContain('9 of 14 real videos (train, drawn by seed 0, random starts)');
    expect(prepared.stderr).toMatch(/generated: rejected short\/.* \(too-short\): it has 5 frames, and 16 are needed/);
  });

  it('keeps what it saw, rejected videos included, and goes on where it cannot', async () => {
    const folder = await writeVideos('kept', 5, 50, [7, 32, 40]);
    await writeVideos('kept/more', 4, 80);
    const kept = join(root, 'kept-cache');
    const once = async (name: string, at: string) => {
      const json = join(root, `${name}.json`);
      const { status, stdout, stderr } = await run(folder, folder, ...means, '--cache', at, '--json', json);
      expect(status).toBe(0);
      const lines = stderr.split('\n').filter((line) => line.includes('rejected'));
      return {
        lines,
        warnings: stderr.match(/^Warning.*$/gm) ?? [],
        stdout: stdout.replace(json, ''),
        json: readMeasurement(json),
      };
    };
    const { warnings, ...first } = await once('first', kept);
    expect([warnings, first.lines.length]).toEqual([[], 10]);
    expect(first.json.videos.real).toMatchObject({ seen: 9, measured: 4, rejectedByCode: { 'too-short': 5 } });
    expect(await once('second', kept)).toEqual({ warnings, ...first });

    const [file] = readdirSync(kept);
    writeFileSync(join(kept, file!), readFileSync(join(kept, file!)).subarray(0, 300));
    const mended = await once('mended', kept);
    expect(mended).toEqual({ ...first, warnings: [expect.stringContaining('a kept file is damaged')] });
    expect((await once('again', kept)).warnings).toEqual([]);

    writeFileSync(join(root, 'a file'), ''); // where no folder can be made
    const nowhere = await once('nowhere', join(root, 'a file', 'cache'));
    expect(nowhere.warnings[0]).toMatch(/what was seen cannot be kept in .*a file\/cache \(ENOTDIR/);
    expect({ ...nowhere, warnings }).toEqual({ warnings, ...first });
  });

  it('measures colour videos by the classifier of grey digits', async () => {
    const { status, stdout } = await run(real, generated, '--extractor', 'digits', '--no-cache');
    expect(status).toBe(0);
    expect(stdout).toMatch(/Frechet distance \(moving-digits classifier, not FVD\) +[1-9]\S*/);
  });

  it('says what became of all videos where too few are left', async () => {
    const folder = await writeVideos('few', 5, 50, [7, 32, 40]);
    await writeVideos('few/more', 2, 80);
    const { status, stderr } = await run(folder, generated, ...means, '--no-cache');
    expect(stderr).toContain('real: 7 videos seen = 2 measured + 0 not drawn + 5 rejected (too-short 5) + 0 skipped');
    expect(stderr).toMatch(/few: 2 videos to measure; at least 3 of each kind are needed\n$/);
    expect(stderr).not.toContain('generated');
    expect(status).toBe(1);
  });

  it('counts what prepare could not use', async () => {
    const [folder, shards] = [await writeVideos('with broken', 4, 50), join(root, 'shards without broken')];
    writeFileSync(join(folder, 'broken.mp4'), 'no video');
    await prepareVideos({ source: { path: folder }, out: shards, height: 32, width: 40, maxRejected: 0.5 });
    const { stdout, stderr } = await run(shards, generated, ...means, '--no-cache');
    expect(stdout).toContain('real: 5 videos seen = 4 measured + 0 not drawn + 1 rejected (format 1) + 0 skipped');
    expect(stderr).toContain('real: rejected broken.mp4 (format)');
  });

  it('names rows of a table by what their paths differ in', async () => {
    const json = join(root, 'one/fvd.json');
    for (const name of ['one', 'two']) mkdirSync(join(root, name));
    expect((await run(real, generated, ...means, ...cache, '--json', json)).status).toBe(0);
    copyFileSync(json, join(root, 'two/fvd.json'));
    expect((await run('table', json, join(root, 'two/fvd.json'))).stdout).toMatch(/^\| one\/fvd \|.*\n\| two\/fvd \|/m);
    writeFileSync(join(root, 'other.json'), '[]');
    expect((await run('table', json, join(root, 'other.json'))).stderr).toMatch(
      /other\.json cannot be read .*compare --json/,
    );
  });

  it.each<[args: () => string[], message: RegExp]>([
    [() => [real, generated], /weights of I3D, which cannot be shipped: give them with --weights/],
    [() => ['features.npy', generated], /features\.npy: \.npy files are not read, \.npz files are/],
    [() => [real, join(root, 'nowhere'), '--weights', 'none'], /nowhere: no such file or folder/],
    [
      () => [real, generated, ...means, '--json', join(root, 'nowhere/x.json')],
      /x\.json cannot be written: there is no/,
    ],
    [() => [real, generated, ...means, '--json', root], /cannot be written: it is a folder/],
    [() => ['features', real, join(root, 'nowhere/x.npz'), ...means], /x\.npz cannot be written: there is no folder/],
    [() => ['features', real, join(root, 'x'), ...means], /give features a name that ends with \.npz/],
    [() => [real, generated, ...means, '--bootstrap', '5'], /expected 0, or an integer of at least 20/],
    [() => [real, generated, '--weights', 'i3d_pretrained_400.pt'], /is a pickle, which could hold code/],
    [
      () => [real, generated, ...means, '--weights-sha256', 'ABC1'],
      /weights of means\.onnx have SHA-256 [0-9a-f]{64}, not abc1/,
    ],
    [() => [real, generated, '--weights', other], /saved-model cannot be read: .*RGB\/inception_i3d\/Conv3d_1a_7x7/],
    [() => [real, generated, '--weights', weights, '--frames', '8'], /8 frames; I3D needs at least 9/],
    [() => [real, generated, '--extractor', 'onnx'], /needs the file of its model: --model/],
    [() => [real, generated, ...means, ...cache, '--frames', '40'], /rejected .*too-short[\s\S]*there are no clips/],
  ])('refuses %#', async (args, message) => {
    const { status, stderr } = await run(...args());
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  });

  it('refuses features of another name, mixed sizes and an empty folder', async () => {
    const wrong = join(root, 'wrong.npz');
    await writeNpz(wrong, { logits: { shape: [4, 2], data: new Float32Array(8) } });
    const foreign = join(root, 'foreign.npz');
    await writeNpz(foreign, { features: { shape: [4, 2], data: Float32Array.of(0, 1, 2, 3, 5, 5, 7, 6) } });
    expect((await run(foreign, foreign)).stdout).toContain('foreign.npz does not say what made its features');
    const compare = async (path: string) => (await run(path, generated, ...means, '--no-cache')).stderr;
    expect(await compare(wrong)).toContain("expected an array 'features'");
    const mixed = await writeVideos('mixed', 2, 10);
    await writeVideos('mixed/class 2', 1, 10, [18, 48, 40]);
    expect(await compare(mixed)).toMatch(/frames of (48x40, those before it 32x40|32x40, those before it 48x40)/);
    mkdirSync(join(root, 'empty'));
    writeFileSync(join(root, 'empty', 'notes.txt'), 'no video');
    expect(await compare(join(root, 'empty'))).toContain('there is no video: files that end with');
  });

  it('self-check tells weights that are not those of FVD, and keeps what passed', async () => {
    const { status, stdout } = await run('self-check', '--weights', weights);
    const [, distance] = /: (\S+), expected about 131: FAIL/.exec(stdout)!;
    expect(status).toBe(1);

    // The distance of two points grows with the square of the last layer.
    const scale = Math.sqrt(131 / Number(distance));
    const scaled = join(root, 'scaled.safetensors');
    await writeSafetensors(
      scaled,
      [...fixtureState()].map(([name, { shape, data }]) => [
        name,
        {
          dtype: 'F32',
          shape,
          data: name.startsWith('logits.') ? (data as Float32Array).map((x) => x * scale) : data,
        },
      ]),
    );
    const compare = ['features', generated, join(root, 'scaled.npz'), '--weights', scaled];
    expect((await run(...compare)).status).toBe(0);
    const { record } = await readSeen(join(root, 'scaled.npz'));
    const kept = join(cacheFolder(), 'fvd/self-checked', record!.weightsSha256);
    try {
      const [hash, before] = [record!.weightsSha256.slice(0, 12), describeExtractor(record!)];
      expect(before).toBe(`I3D, logits, weights unknown (sha256 ${hash})`);
      expect((await run('self-check', '--weights', scaled)).stdout).toMatch(/131\.\d+, expected about 131: pass/);
      expect(describeExtractor(record!)).toBe(`I3D, logits, weights that passed self-check (sha256 ${hash})`);
    } finally {
      rmSync(kept, { force: true });
    }
  });

  describe('a model trained at a stride', () => {
    let [shards, clips, other] = ['', '', ''];
    const generatedClips = { pixels: new Uint8Array(5 * 8 * 32 * 40 * 3), shape: [5, 8, 32, 40, 3] as const };
    for (let i = 0; i < generatedClips.pixels.length; i++) generatedClips.pixels[i] = Math.imul(i, 0x9e3779b1) >>> 24;
    beforeAll(async () => {
      [shards, clips, other] = [join(root, 'shards'), join(root, 'clips'), join(root, 'other-size')];
      await prepareVideos({ source: { path: real }, out: shards, height: 32, width: 40 });
      await prepareVideos({ source: { path: real }, out: other, height: 16, width: 16 });
      writeClips(clips, generatedClips, { frameStride: 2 });
    });

    it('is measured against real clips of its stride and length: equal to a comparison by hand', async () => {
      const file = join(root, 'strided.json');
      const { status, stdout } = await run(shards, clips, '--extractor', 'nsfwjs', '--no-cache', '--json', file);
      expect([status, stdout]).toEqual([0, expect.stringContaining('8 frames, stride 2; frames to 224x224')]);

      const extractor = await createNsfwjsExtractor(PROTOCOL_PRESETS['stylegan-v'].resize);
      const videos = openVideos({
        folder: shards,
        numFrames: 8,
        frameStride: 2,
        start: 'random',
        flip: false,
        seed: 0,
      });
      const features = async (some: Clips) =>
        finishStatistics(sumFeatures(await extractFeatures(extractor, [some])), 'N');
      const byHand = frechetDistance(await features(generatedClips), await features(takeClips(videos, 0, 6)));
      videos.close();
      expect(byHand).toBeGreaterThan(1);
      expect(readMeasurement(file).frechetDistance / byHand).toBeCloseTo(1, 5);

      // Folders of files are read at that stride, too.
      const folder = await run(real, clips, '--extractor', 'nsfwjs', '--no-cache');
      expect(folder.stdout).toContain('8 frames, stride 2;');
    });

    it('is measured against the videos that were held out alone: equal to shards of these', async () => {
      const [list, part] = [join(root, 'held-out.txt'), join(root, 'held-out')];
      const names = ['class 0/2.mp4', 'class 1/1.mp4', 'class 1/5.mp4'];
      writeFileSync(list, names.join('\n'));
      for (const name of names) {
        mkdirSync(dirname(join(part, name)), { recursive: true });
        copyFileSync(join(real, name), join(part, name));
      }
      await prepareVideos({ source: { path: part }, out: `${part}-shards`, height: 32, width: 40 });
      const measureBy = async (path: string, ...args: string[]) => {
        const json = join(root, 'part.json');
        expect((await run(path, clips, ...means, ...args, ...cache, '--json', json)).status).toBe(0);
        return readMeasurement(json);
      };
      const held = await measureBy(shards, '--held-out', list);
      expect(held.protocol).toMatchObject({ numReal: 3, numGenerated: 5, split: 'held-out', realDraw: { of: 3 } });
      expect(held.frechetDistance).toBe((await measureBy(`${part}-shards`)).frechetDistance);
      const all = await measureBy(shards);
      expect([all.protocol.numReal, all.protocol.split]).toEqual([6, 'train']);
      expect(all.frechetDistance).not.toBe(held.frechetDistance);
      writeFileSync(list, ['class 0/0.mp4', ...names].join('\n')); // the cache does not take it for the list before
      expect((await measureBy(shards, '--held-out', list)).protocol.numReal).toBe(4);
    });

    it.each<[args: () => string[], message: RegExp]>([
      [() => [real, clips, ...means, '--held-out', '0.5'], /a part can be held out of prepared videos alone/],
      [() => [shards, clips, ...means, '--held-out', '2'], /expected a share between 0 and 1/],
      [() => [shards, clips, ...means, '--held-out', 'no.txt'], /no.txt cannot be read \(ENOENT\)/],
      [
        () => [shards, clips, ...means, '--stride', '3', '--frames', '5'],
        /clips of .* n = 2; a stride of 3 was asked for: leave --stride out/,
      ],
      [
        () => [other, clips, '--extractor', 'digits'],
        /real videos are 16x16 pixels, those of the generated ones 32x40/,
      ],
      [() => [shards, clips, ...means, '--frames', '9'], /has 8 frames, and 9 are needed/],
    ])('is refused %#', async (args, message) => {
      const { status, stderr } = await run(...args(), '--no-cache');
      expect([status, stderr]).toEqual([1, expect.stringMatching(message)]);
    });

    it('is refused against features of another stride, and files of another size', async () => {
      const npz = join(root, 'stride-1.npz');
      expect((await run('features', shards, npz, ...means, '--frames', '8')).status).toBe(0);
      expect((await run(npz, clips, ...means)).stderr).toMatch(/frameStride is 1 in one result and 2 in another/);
      const small = await writeVideos('small', 3, 20, [18, 32, 48]);
      expect((await run(small, clips, ...means, ...cache)).stderr).toMatch(/real videos are 32x48 pixels.* 32x40/);
    });
  });
});
