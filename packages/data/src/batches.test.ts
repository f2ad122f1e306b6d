import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { MessagePort } from 'node:worker_threads';
import { describe, expect, it, vi } from 'vitest';
import { makeBatch } from './batch.ts';
import { type Batches, type BatchesOptions, createBatches } from './batches.ts';
import type { DatasetSpec } from './datasets.ts';
import { createMovingDigits } from './moving-digits.ts';

const spec: Extract<DatasetSpec, { kind: 'movingDigits' }> = {
  kind: 'movingDigits',
  numFrames: 3,
  height: 24,
  width: 20,
  digitSize: 16,
  numDigits: 1,
  minSpeed: 0.5,
  maxSpeed: 2,
  split: 'held-out',
  seed: 5,
};

/** Blocks this thread as a native training step does; the worker goes on. */
const block = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

/** Whether a promise is settled by what microtasks alone can do: the event loop does not turn. */
async function isThere(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => {
    settled = true;
  });
  for (let i = 0; i < 30; i++) await undefined;
  return settled;
}

/**
 * Tries a body again with twice the milliseconds until it is true: what takes time alone comes true at last, however busy
 * the machine is, and what takes a turn of the event loop never does.
 */
async function trueAtLast(body: (milliseconds: number) => Promise<boolean>): Promise<void> {
  for (let milliseconds = 100; milliseconds < 60_000; milliseconds *= 2) if (await body(milliseconds)) return;
  expect.unreachable('it takes more than time');
}

async function use<T>(options: BatchesOptions, body: (batches: Batches) => Promise<T>, given = spec): Promise<T> {
  const batches = createBatches(given, options);
  try {
    return await body(batches);
  } finally {
    await batches.close();
  }
}

describe('createBatches', () => {
  it('gives the batches that this thread makes, in order', async () => {
    const dataset = createMovingDigits(spec);
    await use({ batchSize: 4, prefetch: 3 }, async (batches) => {
      for (let index = 0; index < 8; index++) expect(await batches.next()).toEqual(makeBatch(dataset, 4, index));
    });
    const second = makeBatch(dataset, 4, 1);
    const clip = dataset.clip(6); // the third clip of batch 1
    expect(second.pixels.subarray(2 * 3 * 24 * 20, 3 * 3 * 24 * 20)).toEqual(clip.pixels);
    expect([second.labels[2], second.captions[2]]).toEqual([clip.label, clip.caption]);
  });

  it('resumes at any batch', async () => {
    const far = 1_000_000_000;
    await use({ batchSize: 2, firstBatch: far }, async (batches) => {
      const dataset = createMovingDigits(spec);
      expect(await batches.next()).toEqual(makeBatch(dataset, 2, far));
      expect(await batches.next()).toEqual(makeBatch(dataset, 2, far + 1));
    });
  });

  it('keeps the order of calls made together', async () => {
    await use({ batchSize: 1, prefetch: 1 }, async (batches) => {
      const given = await Promise.all(Array.from({ length: 6 }, () => batches.next()));
      expect(given.map((batch) => batch.index)).toEqual([0, 1, 2, 3, 4, 5]);
    });
  });

  it('has a batch at once after a blocked event loop, with no turn of the loop', async () => {
    await trueAtLast((milliseconds) =>
      use({ batchSize: 2, prefetch: 2 }, async (batches) => {
        await batches.next();
        let allThere = true;
        for (let step = 1; step < 5; step++) {
          block(milliseconds);
          const batch = batches.next();
          allThere &&= await isThere(batch);
          expect((await batch).index).toBe(step);
        }
        return allThere;
      }),
    );
  });

  it('has the worker make exactly prefetch batches ahead', async () => {
    const posted = vi.spyOn(MessagePort.prototype, 'postMessage');
    const asked = () => posted.mock.calls.map(([message]) => message).filter((message) => typeof message === 'number');
    try {
      await trueAtLast(async (milliseconds) => {
        posted.mockClear();
        return use({ batchSize: 2, prefetch: 3 }, async (batches) => {
          expect(asked()).toEqual([0, 1, 2]);
          await batches.next();
          expect(asked()).toEqual([0, 1, 2, 3]);
          block(milliseconds);
          const given = [1, 2, 3].map(() => batches.next());
          const areThere = await Promise.all(given.map(isThere));
          await Promise.all(given);
          expect(asked()).toEqual([0, 1, 2, 3, 4, 5, 6]);
          return areThere.every(Boolean);
        });
      });
    } finally {
      posted.mockRestore();
    }
  });

  it('hands an error of the worker to the caller, after the batches before it, and then ends', async () => {
    const lastBatch = Math.floor(Number.MAX_SAFE_INTEGER / 4); // the next one's clips have no exact indices
    await use({ batchSize: 4, firstBatch: lastBatch }, async (batches) => {
      expect((await batches.next()).index).toBe(lastBatch);
      const clip = 'clip index: expected an integer from 0 to 9007199254740991';
      const errors = [await batches.next().then(String, String), await batches.next().then(String, String)];
      for (const error of errors) expect(error).toContain(clip);
    });
  });

  it('hands over an error of memory as well', async () => {
    const huge = { ...spec, numFrames: 60_000, height: 60_000, width: 60_000 };
    await use(
      { batchSize: 1000 },
      (batches) => expect(batches.next()).rejects.toThrow('Invalid typed array length'),
      huge,
    );
  });

  it('ends when closed, also for a caller that waits', async () => {
    const batches = createBatches(spec, { batchSize: 2 });
    const waiting = expect(batches.next()).rejects.toThrow('batches: closed');
    await batches.close();
    await waiting;
    await expect(batches.next()).rejects.toThrow('batches: closed');
    await batches.close();
  });

  it('lets the process end without close, but not while a caller waits', async () => {
    const { resolve } = createRequire(import.meta.url);
    const load = (file: string) => `require(${JSON.stringify(resolve(file))})`;
    const code = `${load('tsx/cjs/api')}.register();
      const batches = ${load('./batches.ts')}.createBatches(${JSON.stringify(spec)}, { batchSize: 2 });
      batches.next().then((batch) => process.stdout.write('got batch ' + batch.index));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', code], { timeout: 1_000_000 });
    expect(stdout).toBe('got batch 0');
  });

  it.each([
    [{ batchSize: 0 }, 'batchSize: expected an integer from 1'],
    [{ batchSize: 2, prefetch: 0 }, 'prefetch: expected an integer from 1'],
    [{ batchSize: 2, firstBatch: -1 }, 'firstBatch: expected an integer from 0'],
  ])('refuses %j', (options, message) => {
    expect(() => createBatches(spec, options)).toThrow(message);
  });

  it('refuses a bad spec before it starts a worker', () => {
    expect(() => createBatches({ ...spec, digitSize: 40 }, { batchSize: 2 })).toThrow('does not fit');
  });
});
