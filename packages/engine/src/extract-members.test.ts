import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import yazl from 'yazl';
import { extractMembers } from './extract-members.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eflow-extract-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function writeZip(members: Record<string, { content: Buffer; mode?: number }>): Promise<string> {
  const zip = new yazl.ZipFile();
  for (const [name, { content, mode }] of Object.entries(members))
    zip.addBuffer(content, name, { mode: mode ?? 0o100644 });
  zip.end();
  const file = join(folder, 'x.zip');
  await pipeline(zip.outputStream, createWriteStream(file));
  return file;
}

it('writes the members that match, bit for bit, with their executable bit, and counts bytes', async () => {
  const content = Buffer.from(Array.from({ length: 100_003 }, (_, i) => (i * i) % 251));
  const zip = await writeZip({
    'a/b/data': { content },
    'a/tool': { content, mode: 0o100755 },
    'other/data': { content },
  });
  const target = join(folder, 'out');
  let counted = 0;
  await extractMembers(zip, target, { members: /^a\//, onBytes: (bytes) => (counted = bytes) });
  expect(readFileSync(join(target, 'a/b/data')).equals(content)).toBe(true);
  expect(statSync(join(target, 'a/tool')).mode & 0o111).not.toBe(0);
  expect(statSync(join(target, 'a/b/data')).mode & 0o111).toBe(0);
  expect(readdirSync(target)).toEqual(['a']);
  expect(counted).toBe(2 * content.length);
});

it('refuses a member that would leave the folder', async () => {
  const zip = await writeZip({ 'aa/escape': { content: Buffer.from('x') } });
  const bytes = readFileSync(zip);
  writeFileSync(zip, Buffer.from(bytes.toString('latin1').replaceAll('aa/escape', '../escape'), 'latin1')); // same length
  await expect(extractMembers(zip, join(folder, 'out'), { members: /./, onBytes: () => {} })).rejects.toThrow(
    /\.\.\/escape/,
  );
  expect(readdirSync(folder)).not.toContain('escape');
});

it('refuses a file that is cut short', async () => {
  const zip = await writeZip({ a: { content: Buffer.alloc(1000, 'x') } });
  writeFileSync(zip, readFileSync(zip).subarray(0, 100));
  await expect(extractMembers(zip, join(folder, 'out'), { members: /./, onBytes: () => {} })).rejects.toThrow();
});
