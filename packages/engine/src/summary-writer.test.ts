import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEventImages, readRecords } from '@eflow/testing';
import { expect, it } from 'vitest';
import { nativeBinding } from './compile/binding.ts';
import { createSummaryWriter } from './summary-writer.ts';

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

it('writes images as TensorBoard reads them: step, name, and a tensor of width, height and file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-summary-'));
  const writer = await createSummaryWriter(folder);
  // The header alone, of 300 x 7 pixels, is enough here.
  const png = Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'),
    Buffer.alloc(8),
    Buffer.from([200, 0, 255]),
  ]);
  png.writeUInt32BE(300, 16);
  png.writeUInt32BE(7, 20);
  const before = nativeBinding().getNumOfTensors();
  writer.scalar('loss', 0.5, 1);
  const tensors = nativeBinding().getNumOfTensors() - before;
  writer.image('previews', png, 2 ** 40);
  writer.image('previews', png, 5);
  expect(nativeBinding().getNumOfTensors() - before).toBe(tensors);
  writer.flush();
  const image = { name: 'previews', plugin: 'images', width: 300, height: 7, file: png };
  expect(readEventImages(readFileSync(join(folder, readdirSync(folder)[0]!)))).toEqual([
    { ...image, step: 2 ** 40 },
    { ...image, step: 5 },
  ]);
  expect(() => writer.image('previews', Buffer.from('GIF89a'), 1)).toThrow('the image of previews is no PNG');
  expect(() => writer.image('previews', png, -1)).toThrow('step of previews is -1');
  rmSync(folder, { recursive: true });
});
