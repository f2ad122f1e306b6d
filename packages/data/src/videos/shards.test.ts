import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepClasses, orderClasses, readIndex, type Shard, UNLABELLED } from './shards.ts';
import { writeClips } from './write-clips.ts';

describe('orderClasses', () => {
  it.each([
    ['integers by value', ['10', '2', '0', '2', '-3'], ['-3', '0', '2', '10']],
    ['one integer written twice by text', ['1', '2', '01', '+1'], ['+1', '01', '1', '2']],
    ['integers beyond 2^53', ['9007199254740993', '9007199254740992'], ['9007199254740992', '9007199254740993']],
    ['names by text', ['dog', 'Cat', '10', '2'], ['10', '2', 'Cat', 'dog']],
    ['fractions by text', ['10.5', '2'], ['10.5', '2']],
    ['what has no label last', [UNLABELLED, 'waves', 'ants'], ['ants', 'waves', UNLABELLED]],
    ['what has no label after integers', ['10', UNLABELLED, '2'], ['2', '10', UNLABELLED]],
    ['nothing', [], []],
  ])('puts %s', (_, labels, classes) => expect(orderClasses(labels)).toEqual(classes));
});

it('keeps classes without a usable video, unless these are the videos without a label', () => {
  const shard = (label?: string): Shard => ({
    file: '',
    bytes: 0,
    sha256: '',
    rejected: [],
    videos: [{ path: '', numFrames: 1, fps: 1, offset: 0, isShort: false, ...(label !== undefined && { label }) }],
  });
  const listed = ['cat', 'dog', UNLABELLED];
  expect(keepClasses(listed, [shard('dog')])).toEqual(['cat', 'dog']);
  expect(keepClasses(listed, [shard('dog'), shard()])).toEqual(listed);
});

it('reads an index that was written before skipped files were counted', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shards-'));
  writeClips(join(folder, 'clips'), { pixels: new Uint8Array(12), shape: [1, 1, 2, 2, 3] });
  const file = join(folder, 'clips/index.json');
  const index = JSON.parse(readFileSync(file, 'utf8'));
  delete index.counts.skipped;
  writeFileSync(file, JSON.stringify(index));
  expect(readIndex(join(folder, 'clips')).counts).toEqual({ seen: 1, ok: 1, short: 0, rejected: 0, skipped: 0 });
  rmSync(folder, { recursive: true });
});
