import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createSummaryWriter } from './summary-writer.ts';

/** The records of a TFRecord file: length (8 bytes), its checksum (4), the data, its checksum (4). */
function readRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let offset = 0; offset < file.length; ) {
    const length = Number(file.readBigUInt64LE(offset));
    records.push(file.subarray(offset + 12, offset + 12 + length));
    offset += length + 16;
  }
  return records;
}

const float32 = (value: number) => Buffer.from(Float32Array.of(value).buffer);

it('writes event files that hold every point', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-summary-'));
  const writer = await createSummaryWriter(folder);
  writer.scalar('loss', 0.625, 0);
  writer.scalar('loss', 0.3125, 1);
  writer.scalar('accuracy', 0.875, 1);
  writer.flush();
  const [file, ...others] = readdirSync(folder);
  expect(others).toEqual([]);
  const [header, ...points] = readRecords(readFileSync(join(folder, file!)));
  expect(header!.includes('brain.Event:2')).toBe(true);
  expect(points).toHaveLength(3);
  for (const [i, [name, value]] of (
    [
      ['loss', 0.625],
      ['loss', 0.3125],
      ['accuracy', 0.875],
    ] as const
  ).entries()) {
    expect(points[i]!.includes(name)).toBe(true);
    expect(points[i]!.includes(float32(value))).toBe(true);
  }
  for (const step of [-1, 0.5, Number.NaN])
    expect(() => writer.scalar('loss', 1, step)).toThrow(`step of loss is ${step}`);
  rmSync(folder, { recursive: true });
});
