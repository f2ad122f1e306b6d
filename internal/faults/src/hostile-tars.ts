import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { findVideos } from '@eflow/data';
import { type Headers, pack } from 'tar-stream';
import { FILMS } from './films.ts';
import type { Outcome } from './outcome.ts';

/** Members that a tar of videos must not have. */
const HOSTILE: Record<string, Headers> = {
  'a path upwards': { name: '../up.webm' },
  'a path upwards in the middle': { name: 'a/../../up.webm' },
  'an absolute path': { name: '/tmp/absolute.webm' },
  'a drive letter': { name: 'C:/drive.webm' },
  'a backslash': { name: 'back\\slash.webm' },
  'a symbolic link': { name: 'symbolic.webm', type: 'symlink', linkname: '/etc/passwd' },
  'a hard link': { name: 'hard.webm', type: 'link', linkname: 'good.webm' },
  'a pipe': { name: 'pipe.webm', type: 'fifo' },
  'a device': { name: 'device.webm', type: 'block-device' },
  'a name twice': { name: 'good.webm' },
  'a second video of a sample': { name: 'good.mp4' },
  'a name of 600 characters': { name: `${'n'.repeat(600)}.webm` },
};

/** Each hostile member between two good ones, and a tar that is cut or damaged: refused and counted, the good ones taken. */
export async function attackTars(): Promise<Outcome> {
  const work = mkdtempSync(join(tmpdir(), 'eflow-tars-'));
  const film = readFileSync(FILMS.webm);
  const wrong: string[] = [];

  async function check(what: string, bytes: Uint8Array, names: string[], rejections: number): Promise<void> {
    const path = join(work, 'shard.tar');
    writeFileSync(path, bytes);
    const { entries, rejected } = await findVideos({ path });
    const taken = entries.map(({ member }) => member!.name).join();
    if (taken === names.join() && rejected.length === rejections) return;
    wrong.push(`${what}: took ${taken}, rejected ${rejected.map(({ problem }) => problem).join('; ')}`);
  }

  for (const [what, header] of Object.entries(HOSTILE)) {
    const bytes = await makeTar([{ name: 'good.webm' }, header, { name: 'last.webm' }], film);
    await check(what, bytes, ['good.webm', 'last.webm'], 1);
  }
  const two = await makeTar([{ name: 'good.webm' }, { name: 'last.webm' }], film);
  const secondHeader = 512 + Math.ceil(film.length / 512) * 512;
  await check('a member that the end cuts off', two.subarray(0, secondHeader + 1000), ['good.webm'], 1);
  await check('a header that the end cuts off', two.subarray(0, secondHeader + 100), ['good.webm'], 1);
  const damaged = Buffer.from(two);
  damaged[secondHeader + 10] = damaged[secondHeader + 10]! ^ 1;
  await check('a wrong checksum', damaged, ['good.webm'], 1);
  const lying = Buffer.from(two);
  lying.write('77777777777', secondHeader + 124); // a size past the end
  fixChecksum(lying, secondHeader);
  await check('a size past the end', lying, ['good.webm'], 1);
  rmSync(work, { recursive: true });

  for (const line of wrong) console.log(line);
  const count = Object.keys(HOSTILE).length + 4;
  return {
    figures: [`tars: ${count} hostile classes, not refused and counted: ${wrong.length}`],
    failed: wrong.length > 0,
  };
}

async function makeTar(headers: readonly Headers[], content: Buffer): Promise<Buffer> {
  const tar = pack();
  for (const header of headers) tar.entry({ ...header }, header.type ? '' : content);
  tar.finalize();
  return buffer(tar);
}

/** The sum of a header's bytes, its own field taken as spaces. */
function fixChecksum(tar: Buffer, start: number): void {
  tar.fill(' ', start + 148, start + 156);
  const sum = tar.subarray(start, start + 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, start + 148);
}
