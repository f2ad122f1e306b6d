import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RejectionCode } from '@eflow/data';
import type { Extractor } from '@eflow/fvd';
import { afterAll, expect, it } from 'vitest';
import { readSeen, throughCache, writeSeen } from './feature-cache.ts';
import type { Seen } from './look.ts';
import { createTally } from './tally.ts';

const root = mkdtempSync(join(tmpdir(), 'feature-cache-'));
afterAll(() => rmSync(root, { recursive: true }));

const seen = (code: RejectionCode): Seen => ({
  features: { features: Float32Array.of(1, 2, 3, 4), numFeatures: 2 },
  tally: createTally({ seen: 3, measured: 2, start: 'first', seed: 5 }, [{ path: 'a.mp4', code, problem: 'why' }]),
  record: { extractor: 'test', weightsSha256: '0', feature: 'f', numFrames: 2, frameStride: 1 },
});
const extractor = { name: 'test', weightsSha256: '0', feature: 'f' } as Extractor;
const spec = { numFrames: 2, frameStride: 1, most: 9, seed: 5 };

/** How often three calls look, with that rejection and a source that changes or does not. */
async function countLooks(folder: string, code: RejectionCode, fingerprints: string[]): Promise<number> {
  let looks = 0;
  for (const fingerprint of fingerprints) {
    const source = { fingerprint: async () => fingerprint };
    const got = await throughCache(join(root, folder), { source, spec, extractor }, async () => {
      looks++;
      return seen(code);
    });
    expect(got).toEqual(seen(code));
  }
  return looks;
}

it('keeps what was seen until the videos, or what reads them, change', async () => {
  expect(await countLooks('kept', 'too-short', ['a', 'a', 'b'])).toBe(2);
  expect(readdirSync(join(root, 'kept'))).toHaveLength(2);
});

it('looks again where a video was rejected for the time or memory that it took', async () => {
  expect(await countLooks('passing', 'deadline', ['a', 'a', 'a'])).toBe(3);
});

it('names the file where a record cannot be read', async () => {
  const file = join(root, 'seen.npz');
  await writeSeen(file, seen('damaged'));
  expect(await readSeen(file)).toEqual(seen('damaged'));
  const broken = { toJSON: () => undefined } as unknown as Seen['tally']; // written as the text `undefined`
  await writeSeen(file, { ...seen('damaged'), tally: broken });
  await expect(readSeen(file)).rejects.toThrow(/seen\.npz: its record cannot be read/);
});
