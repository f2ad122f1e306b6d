import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataRecord, describeLeftOut, type ShardIndex, writeClips } from '@eflow/data';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertSameData, classNames, findClass, readDataRecord, recordData, writeDataRecord } from './data-record.ts';
import { loadConfig } from './load-config.ts';
import { createRunFolder } from './run-folder.ts';

let root: string;
let shards: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'record-'));
  shards = join(root, 'shards');
});
afterEach(() => rmSync(root, { recursive: true }));

/** Videos of 4 frames of 8x8, one of each label; with `frames`, an index that says they have so many. */
function write(folder: string, labels: string[], { grey = 0, frames }: { grey?: number; frames?: number[] } = {}) {
  const shape = [labels.length, 4, 8, 8, 1] as const;
  writeClips(folder, { pixels: new Uint8Array(shape.reduce((a, b) => a * b)).fill(grey), shape }, { labels });
  edit(folder, ({ videos }) => {
    for (const [i, video] of videos.entries()) video.numFrames = frames?.[i] ?? video.numFrames;
  });
}

function edit(folder: string, change: (shard: ShardIndex['shards'][number]) => void): void {
  const file = join(folder, 'index.json');
  const index: ShardIndex = JSON.parse(readFileSync(file, 'utf8'));
  change(index.shards[0]!);
  writeFileSync(file, JSON.stringify(index));
}

const configOf = (folder: string, numClasses: number, ...changes: string[]) =>
  loadConfig('digits-tiny', [
    `data={ kind: videos, folder: ${folder}, height: 8, width: 8, numFrames: 4, numClasses: ${numClasses} }`,
    ...['network.patchSize=4,4,4', 'network.attention.windowSize=2', ...changes],
  ]);

describe('recordData', () => {
  it('holds classes and a digest, of what clips are made from alone', () => {
    write(shards, ['cat', 'dog', 'cat']);
    const record = recordData(configOf(shards, 2))!;
    expect(record).toMatchObject({ folder: shards, classes: ['cat', 'dog'], videos: 3, tooShort: 0, emptyClasses: [] });
    edit(shards, ({ videos }) => Object.assign(videos[0]!, { path: 'elsewhere.mp4', caption: 'a cat' }));
    expect(recordData(configOf(shards, 2))).toEqual(record);
    edit(shards, ({ videos }) => Object.assign(videos[0]!, { label: 'dog' }));
    expect(recordData(configOf(shards, 2))!.digest).not.toBe(record.digest);
    const brighter = join(root, 'brighter');
    write(brighter, ['cat', 'dog', 'cat'], { grey: 1 });
    expect(recordData(configOf(brighter, 2))!.digest).not.toBe(record.digest);
    expect(recordData(loadConfig('digits-tiny'))).toBeUndefined();
  });

  it('counts the videos that are too short, names classes of which none is left, and refuses too many', () => {
    write(shards, ['a', 'b', 'b', 'c', 'c'], { frames: [3, 1, 2, 3, 4] });
    const config = configOf(shards, 3, 'data.maxTooShort=0.8');
    expect(describeLeftOut(recordData(config)!)).toBe(
      "4 of 5 videos have fewer than the 4 frames that a clip spans, and are left out. Nothing is left of 'a', 'b'.",
    );
    for (const share of [0.79, 0]) {
      expect(() => recordData(configOf(shards, 3, `data.maxTooShort=${share}`))).toThrow(
        `${shards}: 4 of 5 videos have fewer than the 4 frames that a clip spans, and are left out. Nothing is left of 'a', 'b'. That is more than ${100 * share} %`,
      );
    }
    expect(() => recordData(configOf(shards, 3))).toThrow('more than 5 %');
    const long = join(root, 'long');
    write(long, ['a']);
    expect(describeLeftOut(recordData(configOf(long, 1, 'data.maxTooShort=0'))!)).toBeUndefined();
  });
});

describe('assertSameData', () => {
  const record = (classes: string[], digest = 'd', folder = 'shards'): DataRecord => ({
    folder,
    classes,
    digest,
    videos: 7,
    tooShort: 0,
    span: 4,
    emptyClasses: [],
  });

  it.each([
    [['cat', 'dog'], ['ant', 'cat'], "class 0 was 'cat' and is 'ant'"],
    [['cat', 'dog'], ['cat', 'emu'], "class 1 was 'dog' and is 'emu'"],
    [['cat', 'dog'], ['dog', 'cat'], "class 0 was 'cat' and is 'dog'"],
    [['cat', 'dog'], ['cat'], "class 1 was 'dog' and is none"],
    [['cat'], ['cat', 'dog'], "class 1 was none and is 'dog'"],
  ])('refuses classes %j that are now %j, in any folder', (before, now, message) => {
    expect(() => assertSameData(record(before), record(now))).toThrow(message);
    expect(() => assertSameData(record(before), record(now, 'e', 'others'))).toThrow(message);
  });

  it('refuses another part of the same videos that is held out, in any folder', () => {
    const held = (digest?: string, folder = 'shards') => ({
      ...record(['cat'], 'd', folder),
      ...(digest && { heldOut: { videos: 2, digest } }),
    });
    const message = 'another part of the videos in shards held out';
    expect(() => assertSameData(held(), held('h'))).toThrow(`${message} (0 of 7 then, 2 now). Set data.heldOut to`);
    expect(() => assertSameData(held('h'), held())).toThrow(`${message} (2 of 7 then, 0 now)`);
    expect(() => assertSameData(held('h', 'elsewhere'), held('i'))).toThrow(`${message} (2 of 7 then, 2 now)`);
    assertSameData(held('h'), held('h'));
    assertSameData(held('h'), { ...held('i', 'others'), digest: 'e' });
  });

  it('refuses other videos in the same folder, and takes those of another', () => {
    expect(() => assertSameData(record(['cat']), record(['cat'], 'e'))).toThrow(
      'other videos than there are in shards (7 then, 7 now)',
    );
    assertSameData(record(['cat']), record(['cat'], 'e', 'others'));
    assertSameData(record(['cat']), record(['cat'], 'd', 'moved'));
  });
});

describe('classNames', () => {
  it('are those of the record, the digits, or pairs of them', () => {
    const digits = loadConfig('digits-tiny');
    const folder = createRunFolder(join(root, 'digits'), digits);
    expect(classNames(folder, digits)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    const pairs = classNames(folder, loadConfig('digits-tiny', ['data.numDigits=2']))!;
    expect([pairs.length, pairs[7], pairs[37]]).toEqual([100, '07', '37']);
  });

  it('are not known of a run on videos from before there were records', () => {
    write(shards, ['cat', 'dog']);
    const config = configOf(shards, 2);
    const folder = createRunFolder(join(root, 'run'), config);
    expect([readDataRecord(folder), classNames(folder, config)]).toEqual([undefined, undefined]);
    const record = recordData(config)!;
    writeDataRecord(folder, record);
    expect([readDataRecord(folder), classNames(folder, config)]).toEqual([record, ['cat', 'dog']]);
  });
});

describe('findClass', () => {
  it.each<[string, string[] | undefined, number]>([
    ['dog', ['cat', 'dog'], 1],
    ['1', ['cat', 'dog'], 1],
    ['10', ['2', '10', 'x'], 1],
    ['2', ['2', '10', 'x'], 0],
    ['1', ['2', '10', 'x'], 1],
    ['07', Array.from({ length: 8 }, (_, i) => `0${i}`), 7],
    ['1', undefined, 1],
  ])('takes %j of %j for %d', (text, names, number) => {
    expect(findClass(text, names?.length ?? 2, names)).toBe(number);
  });

  it.each<[string, string[] | undefined, string]>([
    ['dgo', ['cat', 'dog'], "no class 'dgo': expected a name, or a number from 0 to 1; did you mean 'dog'?"],
    ['2', ['cat', 'dog'], "no class '2'"],
    ['-1', undefined, "no class '-1': expected a number from 0 to 1"],
    ['1.5', undefined, "no class '1.5'"],
    ['', undefined, "no class ''"],
  ])('refuses %j of %j', (text, names, message) => {
    expect(() => findClass(text, 2, names)).toThrow(message);
  });
});
