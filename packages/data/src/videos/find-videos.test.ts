import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findVideos } from './find-videos.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'videos-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, content: string | Uint8Array = ''): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe('folders', () => {
  it('gives videos in the order of their paths, each labelled by its folder', async () => {
    for (const path of ['b/2.mp4', 'b/1.WEBM', 'a/x/3.avi', '0.mkv', 'a/notes.txt']) put(path);
    mkdirSync(join(root, 'c.mp4'));
    const { entries, rejected } = await findVideos({ path: root });
    expect(entries).toEqual([
      { path: '0.mkv' },
      { path: 'a/x/3.avi', label: 'x' },
      { path: 'b/1.WEBM', label: 'b' },
      { path: 'b/2.mp4', label: 'b' },
    ]);
    expect(rejected).toEqual([{ path: 'c.mp4', code: 'not-a-file', problem: 'c.mp4 is a folder' }]);
  });

  it('does not follow a link to a folder, which may be endless', async () => {
    put('a/1.mp4');
    symlinkSync(root, join(root, 'a/loop'));
    expect((await findVideos({ path: root })).entries).toHaveLength(1);
  });
});

describe('a manifest', () => {
  const expected = [
    { path: 'a/1.mp4', label: 'surf', caption: 'a wave, "big"', start: 0.5, end: 2 },
    { path: 'b 2.mp4', label: '7' },
    { path: 'c.mp4' },
  ];
  const rows = [
    { path: 'a/1.mp4', label: 'surf', caption: 'a wave, "big"', start: 0.5, end: 2 },
    { path: 'b 2.mp4', label: '7', caption: null, start: null, end: null },
    { path: 'c.mp4', label: null, caption: null, start: null, end: null },
  ];
  it('is read as CSV', async () => {
    const text =
      '\uFEFFpath,label,caption,start,end,other\na/1.mp4,surf,"a wave, ""big""",0.5,2,x\nb 2.mp4,7,,,,\n\nc.mp4,,,,,\n';
    expect(await findVideos({ path: put('list.csv', text) })).toEqual({ root, entries: expected, rejected: [] });
  });
  it('is read as JSONL', async () => {
    const text = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
    expect((await findVideos({ path: put('list.jsonl', text) })).entries).toEqual(expected);
  });
  it('is read as Parquet', async () => {
    const column = (name: keyof (typeof rows)[number], type: 'STRING' | 'DOUBLE') => ({
      ...{ name, type, nullable: true },
      data: rows.map((row) => row[name]),
    });
    const buffer = parquetWriteBuffer({
      columnData: [
        ...[column('path', 'STRING'), column('label', 'STRING'), column('caption', 'STRING')],
        ...[column('start', 'DOUBLE'), column('end', 'DOUBLE')],
      ],
    });
    expect((await findVideos({ path: put('list.parquet', new Uint8Array(buffer)) })).entries).toEqual(expected);
  });
  it('names the rows that are wrong, and takes the others', async () => {
    const text = 'path,start,end\n,0,1\na.mp4,2,1\nb.mp4,x,\nc.mp4,-1,\nd.mp4,0,1\n';
    const { entries, rejected } = await findVideos({ path: put('list.csv', text) });
    expect(entries).toEqual([{ path: 'd.mp4', start: 0, end: 1 }]);
    expect(rejected.map(({ code, problem }) => `${code}: ${problem}`)).toEqual([
      'listing: row 1: path is ""; expected the path of a video',
      'listing: row 2: end, 1, is not after start, 2',
      'listing: row 3: start is no number of seconds of at least 0',
      'listing: row 4: start is no number of seconds of at least 0',
    ]);
  });
  it.each([
    ['list.csv', 'file,label\na.mp4,b\n', 'has the columns file, label; expected path'],
    ['list.jsonl', '{"path": "a.mp4"}\n{"path"', 'cannot be read as a list of videos'],
    ['list.parquet', 'PAR1 no', 'cannot be read as a list of videos'],
  ])('that is none is refused: %s', async (name, text, message) => {
    await expect(findVideos({ path: put(name, text) })).rejects.toThrow(message);
  });
});

describe('kinetics', () => {
  it('finds clips by id and seconds in class folders, and counts those that are missing', async () => {
    put('train/riding a bike/abc_000010_000020.mp4');
    put('riding_a_bike/_-x_000000_000010.mkv');
    const list = put(
      'train.csv',
      'label,youtube_id,time_start,time_end,split\nriding a bike,abc,10,20,train\nriding a bike,_-x,0,10,train\nsurfing,gone,5,15,train\nsurfing,,5,15,train\n',
    );
    const { entries, rejected } = await findVideos({ path: root, layout: 'kinetics', list });
    expect(entries).toEqual([
      { path: 'train/riding a bike/abc_000010_000020.mp4', label: 'riding a bike' },
      { path: 'riding_a_bike/_-x_000000_000010.mkv', label: 'riding a bike' },
    ]);
    expect(rejected.map(({ code }) => code)).toEqual(['missing', 'listing']);
    await expect(findVideos({ path: root, layout: 'kinetics' })).rejects.toThrow('--list');
  });
});

describe('ucf101', () => {
  it('takes class folders, or what a list names', async () => {
    for (const path of ['Archery/v_Archery_g01_c01.avi', 'Surfing/v_Surfing_g02_c01.avi']) put(path);
    const list = put('trainlist01.txt', 'Surfing/v_Surfing_g02_c01.avi 88\r\n');
    expect((await findVideos({ path: root, layout: 'ucf101' })).entries.map(({ label }) => label)).toEqual([
      'Archery',
      'Surfing',
    ]);
    expect((await findVideos({ path: root, layout: 'ucf101', list })).entries).toEqual([
      { path: 'Surfing/v_Surfing_g02_c01.avi', label: 'Surfing' },
    ]);
  });
});

it('says what it expected where there is nothing to read', async () => {
  await expect(findVideos({ path: join(root, 'nowhere') })).rejects.toThrow('no such file or folder');
  await expect(findVideos({ path: put('a.zip') })).rejects.toThrow('expected a folder, a tar, or a manifest');
});
