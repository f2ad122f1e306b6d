import { createRequire } from 'node:module';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Batch } from './batch.ts';
import type { BatchReply, BatchWorkerData, Partition } from './batch-worker.ts';
import { checkCount, checkIndex } from './check.ts';
import { type DatasetSpec, openDataset } from './datasets.ts';

export interface BatchesOptions {
  batchSize: number;
  /** The batch to begin with, for a run that resumes; 0 unless given. */
  firstBatch?: number;
  /** How many batches the worker may be ahead, which bounds the memory; 2 unless given. */
  prefetch?: number;
  /** Which of several processes this is; the only one unless given. */
  partition?: Partition;
}

export interface Batches {
  /** The next batch, in order; the caller owns it. Rejects with the worker's error, and after `close`. */
  next(): Promise<Batch>;
  /** Ends the worker; what it had ready is dropped. */
  close(): Promise<void>;
}

/**
 * Batches of clips made ahead of need by a worker thread: batch k of rank r among W holds the batchSize clips from
 * batchSize * (W k + r) on, so that ranks share each clip once, and `firstBatch: k` resumes a run exactly. The worker alone
 * does not keep the process alive. Throws on bad options, and on a specification that no clips can be made of.
 */
export function createBatches(spec: DatasetSpec, options: BatchesOptions): Batches {
  const { batchSize, firstBatch = 0, prefetch = 2, partition = { rank: 0, worldSize: 1 } } = options;
  openDataset(spec).close?.();
  checkCount('batchSize', batchSize);
  checkIndex('firstBatch', firstBatch);
  checkCount('prefetch', prefetch);
  checkCount('worldSize', partition.worldSize);
  checkIndex('rank', partition.rank);
  if (partition.rank >= partition.worldSize) {
    throw new Error(`rank is ${partition.rank}; expected less than worldSize, ${partition.worldSize}`);
  }

  const { port1: port, port2 } = new MessageChannel();
  const worker = startWorker({ spec, batchSize, partition, port: port2 });
  const ready: BatchReply[] = [];
  let failure: Error | undefined;
  let wake = () => {};
  let requested = firstBatch;

  function fail(error: Error): void {
    failure ??= error;
    wake();
  }
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`batches: the worker thread ended with code ${code}`)));
  port.on('message', (reply: BatchReply) => {
    ready.push(reply);
    wake();
  });
  worker.unref();
  port.unref();
  for (let i = 0; i < prefetch; i++) port.postMessage(requested++);

  /** What has arrived is taken from the port at once: a caller that blocks its event loop need not turn it first. */
  async function receive(): Promise<Batch> {
    let reply = ready.shift() ?? receiveMessageOnPort(port)?.message;
    while (!reply) {
      if (failure) throw failure;
      worker.ref();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      worker.unref();
      reply = ready.shift();
    }
    if ('error' in reply) {
      await stop(reply.error);
      throw reply.error;
    }
    port.postMessage(requested++);
    return reply.batch;
  }

  async function stop(reason: Error): Promise<void> {
    fail(reason);
    ready.length = 0;
    port.close();
    await worker.terminate();
  }

  let last: Promise<unknown> = Promise.resolve();
  return {
    next() {
      const batch = last.then(receive); // one at a time, so that calls made together keep their order
      last = batch.catch(() => {});
      return batch;
    },
    close: () => stop(new Error('batches: closed; make new ones with createBatches')),
  };
}

/** From sources the worker is TypeScript too and has tsx compile it; from a build it is the file beside this one. */
function startWorker(data: BatchWorkerData): Worker {
  const options = { workerData: data, transferList: [data.port], execArgv: [] };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./batch-worker.js', import.meta.url), options);
  const { resolve } = createRequire(import.meta.url);
  const load = (file: string) => `require(${JSON.stringify(resolve(file))})`;
  return new Worker(`${load('tsx/cjs/api')}.register(); ${load('./batch-worker.ts')};`, { ...options, eval: true });
}
