/** The worker thread of `createBatches`: for each index that arrives on its port it sends that batch, in order. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { type Batch, makeBatch } from './batch.ts';
import { type DatasetSpec, openDataset } from './datasets.ts';

export interface BatchWorkerData {
  spec: DatasetSpec;
  batchSize: number;
  /** Which of the processes that share the dataset this one is. */
  partition: Partition;
  port: MessagePort;
}

/** One of the processes that share a dataset, clip by clip. */
export interface Partition {
  /** From 0 to worldSize - 1. */
  rank: number;
  worldSize: number;
}

export type BatchReply = { batch: Batch } | { error: Error };

const { spec, batchSize, partition, port }: BatchWorkerData = workerData;
const dataset = openDataset(spec);

port.on('message', (index: number) => {
  try {
    const batch = { ...makeBatch(dataset, batchSize, partition.worldSize * index + partition.rank), index };
    port.postMessage(
      { batch } satisfies BatchReply,
      [batch.pixels, batch.labels].map(({ buffer }) => buffer as ArrayBuffer),
    );
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? error : new Error(String(error)) } satisfies BatchReply);
  }
});
