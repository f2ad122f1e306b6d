import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openVideos, readIndex, writeClips } from '@eflow/data';
import { openRunFolder, videoDiTConfig } from '@eflow/run';
import { runHere } from '@eflow/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'sample-'));
const run = join(root, 'run');
afterAll(() => rmSync(root, { recursive: true }));

const command = (app: string, ...args: string[]) => commandWith('', app, ...args);

function commandWith(input: string, app: string, ...args: string[]) {
  const main = fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));
  const node = ['--import', 'tsx', '--conditions=@eflow/source'];
  return spawnSync(process.execPath, [...node, main, ...args], { encoding: 'utf8', input });
}

/** Without the seconds that a process takes to load TensorFlow; that the command works in one is told by its sizes. */
const sampleHere = (...args: string[]) => runHere(new URL('./main.ts', import.meta.url), ...args);

const guided = join(root, 'guided');
const told = join(root, 'told');

beforeAll(() => {
  const changes = [
    ...['data.numFrames=2', 'data.height=8', 'data.width=8', 'data.digitSize=7', 'network.patchSize=2,4,4'],
    ...['network.hiddenSize=12', 'network.numHeads=2', 'network.attention.windowSize=3'],
    ...['training.batchSize=4', 'training.branches=1', 'training.steps=1', 'optimizer.warmupSteps=0'],
  ];
  for (const args of [
    [...changes, '--out', run],
    [...changes, 'objective.guidanceScale={ max: 4 }', '--out', guided],
    [...changes, 'data.kind=captionedDigits', 'text.kind=words', '--out', told],
  ]) {
    const { status, stderr } = command('train', 'digits-tiny', ...args);
    if (status !== 0) throw new Error(stderr);
  }
});

/** Width and height, from a PNG's header. */
function sizeOfPng(file: string): [number, number] {
  const bytes = readFileSync(file);
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

describe('sizes of samples', () => {
  it.each([
    [[], { numFrames: 2, height: 8, width: 8 }],
    [['--frames', '4', '--width', '24'], { numFrames: 4, height: 8, width: 24 }],
  ])('with %j are %j', (args, clip) => {
    const out = join(root, `out-${args.length}`);
    const sample = ['--steps', '1', '--labels', '3', '--scale', '1', '--out', out];
    const { status, stdout, stderr } = command('sample', run, ...sample, ...args);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toContain(
      `Sampling 1 clip of ${clip.numFrames} frames of ${clip.height}x${clip.width} in 1 step of`,
    );
    expect(JSON.parse(readFileSync(join(out, 'samples.json'), 'utf8')).clip).toEqual(clip);
    const [width, height] = sizeOfPng(join(out, 'samples.png')); // a strip of all frames
    expect(width).toBeGreaterThanOrEqual(clip.numFrames * clip.width);
    expect(width).toBeLessThan(clip.numFrames * clip.width + 16);
    expect(height).toBeLessThan(clip.height + 16);
  });

  it('are written without loss with --shards, once', async () => {
    const folder = join(root, 'shards');
    const args = ['--steps', '1', '--labels', '3,1', '--out', join(root, 'with-shards'), '--shards', folder];
    expect((await sampleHere(run, ...args)).status).toBe(0);
    const videos = openVideos({ folder, numFrames: 2, frameStride: 1, start: 'first', flip: false, seed: 0 });
    expect([videos.length, videos.shape, videos.classes]).toEqual([2, [2, 8, 8, 3], [...'0123456789']]);
    videos.close();
    const again = await sampleHere(run, ...args, '--overwrite');
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('shards exists: give a new folder')]);
  });

  it('show the first 20 clips, and --shards keeps all', async () => {
    const [folder, out] = [join(root, 'all'), join(root, 'first-20')];
    const args = ['--steps', '1', '--count', '70', '--scale', '1', '--out', out, '--shards', folder];
    const { status, stdout, stderr } = await sampleHere(run, ...args);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('20 of 70 shown');
    expect(sizeOfPng(join(out, 'samples.png'))).toEqual([2 * 9 - 1, 20 * 9 - 1]); // cells of 8 and a line between two
    const { shards, classes } = readIndex(folder);
    expect(shards.flatMap(({ videos }) => videos.map(({ label }) => label))).toEqual(
      Array.from({ length: 70 }, (_, i) => String(i % 10)),
    );
    expect(classes).toHaveLength(10);
  });

  it('leave the GIF out above its frame rate, and say so', async () => {
    const out = join(root, 'fast');
    const { status, stdout } = await sampleHere(run, '--steps', '1', '--count', '2', '--fps', '60', '--out', out);
    expect(status).toBe(0);
    expect(stdout).toContain('No GIF: it holds at most 50 frames per second');
    expect(readdirSync(out).sort()).toEqual(['samples.json', 'samples.mp4', 'samples.png', 'samples.webp']);
  });

  it('leave nothing of a try that failed, so that the same command works again', async () => {
    const parent = join(root, 'failed');
    const [out, shards] = [join(parent, 'out'), join(parent, 'shards')];
    mkdirSync(join(out, 'samples.json'), { recursive: true }); // a folder where a file is to be written
    const args = ['--steps', '1', '--count', '2', '--out', out, '--shards', shards, '--overwrite'];
    const failed = await sampleHere(run, ...args);
    expect([failed.status, failed.stderr]).toEqual([1, expect.stringContaining('samples.json')]);
    expect(readdirSync(parent)).toEqual(['out']);
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
    rmSync(join(out, 'samples.json'), { recursive: true });
    expect((await sampleHere(run, ...args)).status).toBe(0);
    expect(readdirSync(parent).sort()).toEqual(['out', 'shards']);
  });

  it.each([
    [['--labels', '3,12'], "no class '12': expected a name, or a number from 0 to 9"],
    [['--labels', '3,,1'], "no class '': expected a name, or a number from 0 to 9"],
    [['--guidance-scale', 'much'], 'expected a number'],
    [['--checkpoint', 'step-000500'], "no checkpoint 'step-000500'; it has step-000000, step-000001"],
    [['--checkpoint', 'best'], 'has no best checkpoint, as training.keepBest is not set; it has step-000000'],
    [['--scale', '100000'], 'png: a strip of'],
    [['--out', join(run, 'config.yaml', 'below')], 'cannot be written'],
    [['--shards', join(run, 'config.yaml', 'below')], 'cannot be written'],
    [['--export', run], 'exists: give a new folder with --export'],
    [['--export', join(run, 'config.yaml', 'below')], 'cannot be written'],
  ])('are refused before anything is sampled: %j', async (args, message) => {
    const out = args[0] === '--out' ? [] : ['--out', join(root, 'refused')];
    const { status, stdout, stderr } = await sampleHere(run, ...out, ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(stdout).not.toContain('Sampl');
    expect(existsSync(join(root, 'refused', 'samples.png'))).toBe(false);
  });

  it.each([
    [['--height', '10'], 'height 10 is not a multiple of its patch, 4'],
    [['--frames', '1'], 'numFrames 1 is less than a patch, 2'],
    [['--width', '0'], 'expected an integer of at least 1'],
    [['--height', '10', '--export', join(root, 'model')], 'height 10 is not a multiple of its patch, 4'],
  ])('cannot be %j: one clear error', async (args, message) => {
    const { status, stderr } = await sampleHere(run, ...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });
});

describe('the guidance scale of a run that was trained on a range', () => {
  const sampled = async (out: string, ...args: string[]) => {
    const folder = join(root, out);
    const { status, stdout, stderr } = await sampleHere(
      guided,
      '--steps',
      '1',
      '--count',
      '2',
      '--out',
      folder,
      ...args,
    );
    expect([status, stderr]).toEqual([0, '']);
    const { guidance } = JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8'));
    return { guidance, stdout };
  };

  it('is the one that is asked for, and otherwise the default of the range', async () => {
    const { guidance, stdout } = await sampled('guided-3', '--guidance-scale', '3');
    expect(guidance).toEqual({ kind: 'input', scale: 3 });
    expect(stdout).toContain('1 step of the sampler few-step at guidance scale 3, 1 network pass');
    expect((await sampled('guided')).guidance).toEqual({ kind: 'input', scale: 2 });
  });

  it.each([
    [guided, '5', 'guidance scale 5: this network was trained on scales from 1 to 4 (objective.guidanceScale)'],
    [run, '2', "leave it out, or train a network that takes the scale as an input: objective.guidanceScale='{ min: 1"],
  ])('of %s is not %s', async (of, scale, message) => {
    const { status, stdout, stderr } = await sampleHere(of, '--guidance-scale', scale, '--out', join(root, 'never'));
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(message);
  });
});

describe('prompts', () => {
  const samples = (folder: string) => JSON.parse(readFileSync(join(folder, 'samples.json'), 'utf8'));

  it('say what clips of a run that was trained on captions are to show; unknown words are named', async () => {
    const [out, shards] = [join(root, 'prompted'), join(root, 'prompted-shards')];
    const prompts = ['a red 3 moves left', 'a golden seven moves up'];
    const args = prompts.flatMap((prompt) => ['--prompt', prompt]);
    const { status, stdout, stderr } = await sampleHere(
      told,
      ...args,
      '--steps',
      '1',
      '--out',
      out,
      '--shards',
      shards,
    );
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(
      'In prompt 2 are words that the run has not learnt, all of which are the same to it: golden.',
    );
    expect(stdout).toContain('of "a red 3 moves left", "a golden seven moves up", from step 1');
    expect(samples(out)).toMatchObject({ captions: prompts });
    expect(readIndex(shards).classes).toEqual(prompts.toSorted());
  });

  it('come from a file, or lie evenly among all captions', async () => {
    const [file, out] = [join(root, 'prompts.txt'), join(root, 'from-file')];
    writeFileSync(file, 'a red 3 moves left\n\na blue 7 moves up\r\n');
    expect((await sampleHere(told, '--prompts', file, '--steps', '1', '--out', out)).status).toBe(0);
    expect(samples(out).captions).toEqual(['a red 3 moves left', 'a blue 7 moves up']);
    const evenly = join(root, 'evenly');
    expect((await sampleHere(told, '--count', '5', '--steps', '1', '--out', evenly)).status).toBe(0);
    expect(new Set(samples(evenly).captions).size).toBe(5);
  });

  it('are read line by line, and what is wrong with one is said before the next is read', () => {
    const out = join(root, 'line-by-line');
    const lines = ['a red 3 moves left', 'кошка спит', '', 'a golden 7'].join('\n');
    const args = [told, '--interactive', '--steps', '1', '--eager', '--out', out];
    const { status, stdout, stderr } = commandWith(lines, 'sample', ...args);
    const file = join(out, 'interactive.webp');
    expect([status, stderr]).toEqual([
      0,
      expect.stringMatching(/^the prompt, "кошка спит", has no word that is known, such as [^\n]+\n$/),
    ]);
    expect(stdout).toContain(`${file}: a red 3 moves left`);
    expect(stdout).toContain(
      'In the prompt are words that the run has not learnt, all of which are the same to it: golden.',
    );
    expect(stdout).toContain(`${file}: a golden 7`);
    expect(readdirSync(out)).toEqual(['interactive.webp']);
  });

  it('are numbered for an exported model by the vocabulary beside it', async () => {
    const folder = join(root, 'told-model');
    const { status, stdout, stderr } = await sampleHere(told, '--export', folder, '--count', '2', '--steps', '1');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(
      'noise, words and wordMask of 2 clips in, video out. Words are numbered by the lines of assets.extra/',
    );
    const lines = readFileSync(join(folder, 'assets.extra/vocabulary.txt'), 'utf8').split('\n');
    const { words } = videoDiTConfig(openRunFolder(told).config);
    expect(lines).toEqual([...words!.vocabulary, '']);
  });

  it.each([
    [[told, '--prompt', ' '], 'prompt 1 is empty; say what the clip is to show'],
    [[told, '--prompt', 'кошка спит'], 'has no word that is known, such as '],
    [[told, '--prompt', `red ${'x'.repeat(10_000)}`], 'prompt 1 has 10004 characters'],
    [[told, '--prompt', 'red\0'], 'prompt 1 holds the control character U+0000'],
    [[told, '--prompts', join(root, 'nowhere.txt')], 'nowhere.txt cannot be read'],
    [[told, '--labels', '3'], 'this run was trained on captions, and takes no classes: give --prompt'],
    [[run, '--interactive'], 'this run was trained on classes, and takes no prompts: give --labels in place'],
    [[told, '--interactive', '--prompt', 'a red 3'], "'--interactive' cannot be used with option '--prompt <text>'"],
    [[run, '--prompt', 'a red 3'], 'this run was trained on classes, and takes no prompts: give --labels'],
  ])('are refused before anything is sampled: %j', async (args, message) => {
    const { status, stderr } = await sampleHere(...args, '--out', join(root, 'never'));
    expect([status, stderr]).toEqual([1, expect.stringContaining(message)]);
    expect(existsSync(join(root, 'never'))).toBe(false);
  });
});

describe('classes', () => {
  const named = join(root, 'named');
  beforeAll(() => {
    const [shards, config] = [join(root, 'named-shards'), join(root, 'named.yaml')];
    const shape = [3, 3, 8, 8, 1] as const;
    const labels = ['cat', 'two dogs', 'emu'];
    writeClips(shards, { pixels: new Uint8Array(3 * 3 * 64), shape }, { labels, fps: 24 });
    const data = { kind: 'videos', folder: shards, numFrames: 2 };
    const network = {
      patchSize: [2, 4, 4],
      hiddenSize: 12,
      depth: [1, 1, 1],
      numHeads: 2,
      attention: { kind: 'softmax' },
    };
    const training = { batchSize: 4, steps: 1, previewEvery: 0 };
    writeFileSync(config, JSON.stringify({ name: 'named', data, network, training }));
    const { status, stderr } = command('train', config, '--out', named);
    if (status !== 0) throw new Error(stderr);
  });

  it('are taken and told by name', async () => {
    const out = join(root, 'named-samples');
    const { status, stdout, stderr } = await sampleHere(named, '--steps', '1', '--labels', 'emu, cat,1', '--out', out);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('of classes 1 emu, 0 cat, from step');
    expect(JSON.parse(readFileSync(join(out, 'samples.json'), 'utf8'))).toMatchObject({
      labels: [1, 0, 1],
      classes: ['emu', 'cat', 'emu'],
    });
  });

  it('stand with their stride and frame rate in shards of samples', async () => {
    const folder = join(root, 'named-generated');
    const args = ['--steps', '1', '--labels', 'two dogs,cat', '--out', join(root, 'named-out'), '--shards', folder];
    expect((await sampleHere(named, ...args)).status).toBe(0);
    const { classes, frameStride, shards } = readIndex(folder);
    expect([classes, frameStride]).toEqual([['cat', 'emu', 'two dogs'], 2]); // 2 frames of 3
    expect(shards[0]!.videos).toMatchObject([
      { label: 'two dogs', numFrames: 2, fps: 12 },
      { label: 'cat', numFrames: 2, fps: 12 },
    ]);
  });

  it.each([
    [named, 'cats', "no class 'cats': expected a name, or a number from 0 to 2; did you mean 'cat'?"],
    [named, 'cat,3', "no class '3'"],
    [run, '3,10', "no class '10': expected a name, or a number from 0 to 9"],
    [run, '', "no class ''"],
  ])('of %s are not %j', async (of, labels, message) => {
    const { status, stdout, stderr } = await sampleHere(of, '--steps', '1', '--labels', labels);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(message);
  });
});
