import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Headers, pack } from 'tar-stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listTar } from './tar-members.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tar-'));
  file = join(folder, 'shard.tar');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function write(members: [header: Headers | string, content?: string][]): Promise<Buffer> {
  const tar = pack();
  for (const [header, content = ''] of members)
    tar.entry(typeof header === 'string' ? { name: header } : header, content);
  tar.finalize();
  const bytes = await buffer(tar);
  writeFileSync(file, bytes);
  return bytes;
}

it('gives each sample with where its video lies, its class and its caption', async () => {
  const bytes = await write([
    [{ name: 'clips', type: 'directory' }],
    ['clips/0001.mp4', 'first video'],
    ['clips/0001.cls', '3\n'],
    ['clips/0001.txt', 'a wave'],
    ['clips/0002.json', '{"label": 4, "caption": "two"}'],
    ['clips/0002.webm', 'second'],
    ['clips/0003.jpg', 'no video'],
    [`clips/${'long/'.repeat(30)}0004.mov`, 'named in a PAX header'],
  ]);
  const { entries, rejected } = await listTar(file, 'shard.tar');
  expect(rejected).toEqual([]);
  expect(entries.map(({ label, caption }) => [label, caption])).toEqual([
    ['3', 'a wave'],
    ['4', 'two'],
    [undefined, undefined],
  ]);
  const contents = entries.map(({ member }) =>
    bytes.subarray(member!.offset, member!.offset + member!.bytes).toString(),
  );
  expect(contents).toEqual(['first video', 'second', 'named in a PAX header']);
});

it('finds videos whose names have dots, and their texts by either rule', async () => {
  await write([
    ['take.v1.cls', '1'],
    ['take.v1.mp4', 'x'],
    ['take.v2.mp4', 'x'],
    ['take.json', '{"label": 2, "caption": "both"}'],
    ['dir.v3/a.b.c.MP4', 'x'],
    ['dir.v3/a.txt', 'up to the first dot'],
    ['dir.v3/a.b.c.cls', 'three'],
    ['take.v1.depth.npy', 'x'],
  ]);
  const { entries, rejected, others } = await listTar(file, 'shard.tar');
  expect(rejected).toEqual([]);
  expect(entries.map(({ member, label, caption }) => [member!.name, label, caption])).toEqual([
    ['take.v1.mp4', '1', 'both'],
    ['take.v2.mp4', '2', 'both'],
    ['dir.v3/a.b.c.MP4', 'three', 'up to the first dot'],
  ]);
  expect(others).toEqual({ '.npy': 1 });
});

it('reads texts with a byte order mark, and takes an empty class for none', async () => {
  await write([
    ['1.mp4', 'x'],
    ['1.cls', '\ufeff10\r\n'],
    ['2.mp4', 'x'],
    ['2.json', '\ufeff{"label": 2}'],
    ['3.mp4', 'x'],
    ['3.cls', '\n'],
  ]);
  const { entries, rejected } = await listTar(file, 'shard.tar');
  expect(rejected).toEqual([]);
  expect(entries.map(({ label }) => label)).toEqual(['10', '2', undefined]);
});

it('counts videos of other kinds, what macOS writes beside videos, and labels that are none', async () => {
  await write([
    ['._1.mp4', 'x'],
    ['1.mp4', 'x'],
    ['._1.json', 'no JSON'],
    ['__MACOSX/._1.mp4', 'x'],
    ['2.flv', 'x'],
    ['2.cls', 'two'],
    ['3.json', '{"label": {"id": 3}}'],
    ['4.json', 'null'],
  ]);
  const { entries, rejected, skipped } = await listTar(file, 'shard.tar');
  expect(entries.map(({ member }) => member!.name)).toEqual(['1.mp4']);
  expect(rejected.map(({ path, code, label }) => [path, code, label])).toEqual([
    ['shard.tar!3.json', 'listing', undefined],
    ['shard.tar!2.flv', 'format', 'two'],
  ]);
  expect(rejected[0]!.problem).toBe('label is { id: 3 }; expected text or a number');
  expect(skipped).toBe(2);
});

it('rejects members that lead elsewhere, are no files or stand twice, and takes the others', async () => {
  await write([
    ['good.mp4', 'x'],
    ['../up.mp4', 'x'],
    ['a/../../up.mp4', 'x'],
    ['/etc/passwd.mp4', 'x'],
    ['C:/windows.mp4', 'x'],
    ['back\\slash.mp4', 'x'],
    [{ name: 'link.mp4', type: 'symlink', linkname: '/etc/passwd' }],
    [{ name: 'hard.mp4', type: 'link', linkname: 'good.mp4' }],
    [{ name: 'pipe.mp4', type: 'fifo' }],
    [{ name: 'device.mp4', type: 'character-device' }],
    ['good.mp4', 'again'],
    ['good.webm', 'a second video'],
    [`${'n'.repeat(600)}.mp4`, 'x'],
    ['bad.json', '{'],
    ['last.mp4', 'x'],
  ]);
  const { entries, rejected } = await listTar(file, 'shard.tar');
  expect(entries.map(({ member }) => member!.name)).toEqual(['good.mp4', 'last.mp4']);
  expect(rejected).toHaveLength(13);
  expect(rejected.every(({ path, code }) => path.startsWith('shard.tar!') && code === 'listing')).toBe(true);
});

it('rejects what comes after damage, and the member that the end cuts off', async () => {
  const bytes = await write([
    ['1.mp4', 'a'.repeat(2000)],
    ['2.mp4', 'b'.repeat(2000)],
  ]);
  const cut = async (content: Uint8Array) => {
    writeFileSync(file, content);
    const { entries, rejected } = await listTar(file, 'shard.tar');
    return { names: entries.map(({ member }) => member!.name), problems: rejected.map(({ problem }) => problem) };
  };
  const inSecond = await cut(bytes.subarray(0, 512 + 2048 + 512 + 1000));
  expect(inSecond.names).toEqual(['1.mp4']);
  expect(inSecond.problems).toHaveLength(1);
  const broken = Buffer.from(bytes);
  broken[512 + 2048 + 150] = broken[512 + 2048 + 150]! ^ 1; // the checksum of the second header
  const damaged = await cut(broken);
  expect(damaged.names).toEqual(['1.mp4']);
  expect(damaged.problems).toEqual([expect.stringContaining('damaged or cut off')]);
  expect((await cut(Buffer.from('no tar at all'.repeat(100)))).names).toEqual([]);
});
