import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';
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

  it('follows links to folders that stay inside, and rejects those that leave it or go round', async () => {
    put('set/dog/1.mp4');
    put('elsewhere/2.mp4');
    const link = (target: string, name: string) => symlinkSync(target, join(root, 'set', name));
    link('dog', 'hound');
    link('../elsewhere', 'cat');
    link('..', 'dog/loop');
    link('nowhere', 'gone');
    link('itself', 'itself');
    link('../elsewhere/2.mp4', 'file.mp4');
    link('dog', 'folder.mp4');
    const { entries, rejected } = await findVideos({ path: join(root, 'set') });
    expect(entries).toEqual([
      { path: 'dog/1.mp4', label: 'dog' },
      { path: 'file.mp4' }, // whether it stays inside is looked at when it is opened
      { path: 'hound/1.mp4', label: 'hound' },
    ]);
    expect(rejected.map(({ path, code }) => [path, code])).toEqual([
      ['cat', 'outside'],
      ['dog/loop', 'outside'],
      ['folder.mp4', 'not-a-file'],
      ['gone', 'missing'],
      ['hound/loop', 'outside'],
      ['itself', 'unreadable'],
    ]);
    expect(rejected[0]!.problem).toMatch(/leads out of .*, to .*elsewhere: copy that folder here/);
  });

  it('ends where each of many folders links to all others', async () => {
    const names = Array.from({ length: 12 }, (_, i) => String(i));
    for (const name of names) put(`${name}/1.mp4`);
    for (const name of names) for (const other of names) symlinkSync(`../${other}`, join(root, name, `to-${other}`));
    const { entries } = await findVideos({ path: root });
    expect(entries).toHaveLength(12 + 12 * 11);
  });

  it('rejects folders that cannot be read, and takes the rest', async () => {
    put('a/1.mp4');
    // What this folder is called is no UTF-8: it is not found again by its name.
    mkdirSync(Buffer.concat([Buffer.from(`${root}/b`), Buffer.from([0xff])]));
    const chain = (name: string) => [name, ...Array.from({ length: 11 }, () => 'n'.repeat(200))].join('/');
    for (const name of ['c', 'd']) mkdirSync(join(root, chain(name)), { recursive: true });
    const [deep, top] = [join(root, chain('c'), 'd'), join(root, 'd')];
    renameSync(top, deep); // paths of over 4,096 bytes
    try {
      const { entries, rejected } = await findVideos({ path: root });
      expect(entries).toEqual([{ path: 'a/1.mp4', label: 'a' }]);
      expect(rejected.map(({ path, code }) => [path.slice(0, 2), code])).toEqual([
        ['b\ufffd', 'unreadable'],
        ['c/', 'unreadable'],
      ]);
      expect(rejected[0]!.problem).toContain('(ENOENT): make it readable, or move it away');
      expect(rejected[1]!.problem).toContain('(ENAMETOOLONG)');
    } finally {
      renameSync(deep, top);
    }
  });

  it('counts videos of other kinds, what macOS writes beside videos, and other files', async () => {
    for (const path of ['a/1.mp4', 'b/x.MPG', 'b/y.flv', '._0.mp4', 'a/._1.mp4', '__MACOSX/a/1.mov']) put(path);
    for (const path of ['a/1.txt', 'a/2.TXT', 'README', 'list.json']) put(path);
    const found = await findVideos({ path: root });
    expect(found.entries).toEqual([{ path: 'a/1.mp4', label: 'a' }]);
    expect(found.rejected).toEqual([
      { path: 'b/x.MPG', label: 'b', code: 'format', problem: expect.stringMatching(/b\/x.MPG .*\.mp4.*: convert it/) },
      { path: 'b/y.flv', label: 'b', code: 'format', problem: expect.stringContaining('convert it') },
    ]);
    expect(found.skipped).toBe(3);
    expect(found.others).toEqual({ '.txt': 2, '': 1, '.json': 1 });
    expect(found.classes).toEqual(['a', 'b']);
  });

  it('takes both its videos and its tars, at any depth, unless a layout says which', async () => {
    const tar = pack();
    tar.entry({ name: '1.mp4' }, 'x');
    tar.finalize();
    put('train/0.tar', await buffer(tar));
    put('train/2.mp4');
    put('train/._0.tar');
    const paths = async (layout?: 'folders' | 'webdataset') => {
      const { entries, others, skipped } = await findVideos({ path: root, ...(layout && { layout }) });
      return [entries.map(({ path, member }) => member?.name ?? path), others, skipped];
    };
    expect(await paths()).toEqual([['1.mp4', 'train/2.mp4'], {}, 1]);
    expect(await paths('folders')).toEqual([['train/2.mp4'], { '.tar': 1 }, 1]);
    expect(await paths('webdataset')).toEqual([['1.mp4'], { '.mp4': 1 }, 1]);
  });

  it('rejects tars that cannot be opened', async () => {
    put('set/0.mp4');
    put('elsewhere.tar', 'x');
    put('set/empty.tar');
    symlinkSync('../elsewhere.tar', join(root, 'set/link.tar'));
    mkdirSync(join(root, 'set/folder.tar'));
    const { rejected } = await findVideos({ path: join(root, 'set') });
    expect(rejected.map(({ path, code }) => [path, code]).sort()).toEqual([
      ['empty.tar', 'format'],
      ['folder.tar', 'not-a-file'],
      ['link.tar', 'outside'],
    ]);
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
    expect(await findVideos({ path: put('list.csv', text) })).toEqual({
      root,
      entries: expected,
      rejected: [],
      skipped: 0,
      others: {},
      classes: ['7', 'surf', 'unlabelled'],
    });
  });
  it('is read as JSONL', async () => {
    const text = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
    expect((await findVideos({ path: put('list.jsonl', text) })).entries).toEqual(expected);
  });
  it('is read as Parquet', async () => {
    const column = (name: keyof (typeof rows)[number], type: 'STRING' | 'DOUBLE') => ({
      name,
      type,
      nullable: true,
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
  it.each([
    ['list.csv', 'path;label\r\na/1.mp4;10\r\n"b, c.mp4";9\r\n'],
    ['list.csv', 'label\tpath\r10\ta/1.mp4\r9\tb, c.mp4\r'],
    ['list.csv', '\ufefflabel,"path"\n10,a/1.mp4\n9,"b, c.mp4"\n'],
    ['list.jsonl', '\ufeff{"path":"a/1.mp4","label":10}\r\n{"path":"b, c.mp4","label":9}\r\n'],
    ['list.jsonl', '{"path":"a/1.mp4","label":"10"}\r{"path":"b, c.mp4","label":9}'],
  ])('is read with any delimiter, line end and byte order mark: %s %j', async (name, text) => {
    for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text.replace('\ufeff', '')}`, 'utf16le')]) {
      const { entries, classes } = await findVideos({ path: put(name, bytes) });
      expect(entries).toEqual([
        { path: 'a/1.mp4', label: '10' },
        { path: 'b, c.mp4', label: '9' },
      ]);
      expect(classes).toEqual(['9', '10']);
    }
  });
  it('orders the integers of a Parquet file by value', async () => {
    const columnData = [
      { name: 'path', type: 'STRING' as const, data: ['a.mp4', 'b.mp4', 'c.mp4'] },
      { name: 'label', type: 'INT64' as const, data: [10n, 2n, 1n] },
    ];
    const { classes } = await findVideos({
      path: put('list.parquet', new Uint8Array(parquetWriteBuffer({ columnData }))),
    });
    expect(classes).toEqual(['1', '2', '10']);
  });
  it('takes absolute paths and file URLs that lie in its folder', async () => {
    const inside = put('a b/1.mp4');
    symlinkSync(root, `${root}-link`);
    try {
      const rows = [inside, pathToFileURL(inside).href, `${root}-link/a b/1.mp4`, '/elsewhere/1.mp4'];
      put('list.jsonl', rows.map((path) => JSON.stringify({ path })).join('\n'));
      const direct = await findVideos({ path: join(root, 'list.jsonl') });
      expect(direct.entries.map(({ path }) => path)).toEqual(['a b/1.mp4', 'a b/1.mp4', rows[2], rows[3]]);
      const linked = await findVideos({ path: join(`${root}-link`, 'list.jsonl') });
      expect(linked.entries.map(({ path }) => path)).toEqual(['a b/1.mp4', 'a b/1.mp4', 'a b/1.mp4', rows[3]]);
    } finally {
      rmSync(`${root}-link`);
    }
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
    ['list.jsonl', '{"path": "a.mp4"}\n\n"a.mp4"', 'line 3 is no object: expected {"path"'],
    ['list.jsonl', '{"path": "a.mp4"}\n\n{"path"', 'line 3: '],
    ['list.parquet', 'PAR1 no', 'cannot be read as a list of videos'],
    ['list.csv', 'path,label\n', 'there is no video: it lists none'],
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

  it('finds the folder val of the split validate, and keeps the classes whose clips are missing', async () => {
    put('val/surfing/abc_000010_000020.mp4');
    put('val/yoga/def_000010_000020.flv');
    const list = put(
      'validate.csv',
      '\ufefflabel,youtube_id,time_start,time_end,split\nsurfing,abc,10,20,validate\nyoga,def,10,20,validate\nabseiling,gone,5,15,validate\n',
    );
    const { entries, rejected, classes } = await findVideos({ path: root, layout: 'kinetics', list });
    expect(entries).toEqual([{ path: 'val/surfing/abc_000010_000020.mp4', label: 'surfing' }]);
    expect(rejected.map(({ path, code }) => [path, code])).toEqual([
      ['val/yoga/def_000010_000020.flv', 'format'],
      ['validate/abseiling/gone_000005_000015.mp4', 'missing'],
    ]);
    expect(classes).toEqual(['abseiling', 'surfing', 'yoga']);
  });

  it('refuses another CSV', async () => {
    const list = put('train.csv', 'path,label\na.mp4,b\n');
    await expect(findVideos({ path: root, layout: 'kinetics', list })).rejects.toThrow(
      'has the columns path, label; expected label, youtube_id',
    );
  });
});

describe('ucf101', () => {
  it('takes class folders, or what a list names', async () => {
    for (const path of ['Archery/v_Archery_g01_c01.avi', 'Surfing/v_Surfing_g02_c01.avi']) put(path);
    const list = put('trainlist01.txt', 'Surfing/v_Surfing_g02_c01.avi 88\r\n  \r\n');
    expect((await findVideos({ path: root, layout: 'ucf101' })).entries.map(({ label }) => label)).toEqual([
      'Archery',
      'Surfing',
    ]);
    expect((await findVideos({ path: root, layout: 'ucf101', list })).entries).toEqual([
      { path: 'Surfing/v_Surfing_g02_c01.avi', label: 'Surfing' },
    ]);
  });

  const train = 'HammerThrow/1.avi 3\nHammering/2.avi 2\nYoYo/3.avi 1\nYoYo/4.avi 1\n';

  it('orders classes by the numbers of a list of training', async () => {
    const { entries, classes } = await findVideos({ path: root, layout: 'ucf101', list: put('train.txt', train) });
    expect(classes).toEqual(['YoYo', 'Hammering', 'HammerThrow']);
    expect(entries[0]).toEqual({ path: 'HammerThrow/1.avi', label: 'HammerThrow' });
  });

  it('keeps the number of each class where a list names some', async () => {
    const list = put('train.txt', 'HammerThrow/1.avi 3\nYoYo/3.avi 1\n');
    expect((await findVideos({ path: root, layout: 'ucf101', list })).classes).toEqual([
      'YoYo',
      'class 2',
      'HammerThrow',
    ]);
  });

  it('gives train and test lists the same classes by classInd.txt', async () => {
    put('lists/classInd.txt', '1 YoYo\r\n2 Hammering\r\n3 HammerThrow\r\n');
    const lists = [put('lists/train.txt', train), put('lists/test.txt', 'HammerThrow/9.avi\nYoYo/8.avi\n')];
    for (const list of lists) {
      const { classes } = await findVideos({ path: root, layout: 'ucf101', list });
      expect(classes).toEqual(['YoYo', 'Hammering', 'HammerThrow']);
    }
    put('YoYo/1.avi');
    put('classInd.txt', readFileSync(join(root, 'lists/classInd.txt')));
    expect((await findVideos({ path: root, layout: 'ucf101' })).classes).toEqual(['YoYo', 'Hammering', 'HammerThrow']);
  });

  it.each([
    ['a/1.avi 1\nb/2.avi 1\n', 'line 2: class 1 is b here and a before'],
    ['a/1.avi 1\na/2.avi 2\n', 'line 2: a is class 2 here and class 1 before'],
    ['a/1.avi 1\nb/2.avi\n', 'b/2.avi: its class, b, has no number in the list'],
    ['a/1.avi 0\n', 'line 1: the number of class a is 0; expected 1 to'],
  ])('refuses numbers that contradict each other: %j', async (text, message) => {
    await expect(findVideos({ path: root, layout: 'ucf101', list: put('train.txt', text) })).rejects.toThrow(message);
  });
});

it('says what it expected where there is nothing to read', async () => {
  await expect(findVideos({ path: join(root, 'nowhere') })).rejects.toThrow('no such file or folder');
  await expect(findVideos({ path: put('a.zip') })).rejects.toThrow('expected a folder, a tar, or a manifest');
  await expect(findVideos({ path: put('a.m4v') })).rejects.toThrow('is one video: give the folder');
  await expect(findVideos({ path: root, layout: 'manifest' })).rejects.toThrow('is a folder: give the manifest');
  await expect(findVideos({ path: root, list: 'a.txt' })).rejects.toThrow('needs the layout kinetics or ucf101');
  await expect(findVideos({ path: root, layout: 'ucf101', list: 'a.txt' })).rejects.toThrow('a.txt: no such file');
  put('empty/a.zip');
  put('empty/b.ZIP');
  put('empty/README');
  await expect(findVideos({ path: join(root, 'empty') })).rejects.toThrow(
    'there is no video: files that end with .mp4, .m4v, .mov, .mkv, .webm, .avi are looked for, and tars of them; there are others, 2 .zip, 1 without an ending',
  );
});
