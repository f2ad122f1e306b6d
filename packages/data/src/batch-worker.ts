/** The worker thread of `createBatches`: for each index that arrives on its port it sends that batch, in order. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { type Batch, makeBatch } from './batch.ts';
import { createMovingDigits } from './moving-digits.ts';
import type { MovingDigitsSpec } from './spec.ts';

export interface BatchWorkerData {
  spec: MovingDigitsSpec;
  batchSize: number;
  port: MessagePort;
}

export type BatchReply = { batch: Batch } | { error: Error };

const { spec, batchSize, port }: BatchWorkerData = workerData;
const dataset = createMovingDigits(spec);

port.on('message', (index: number) => {
  try {
    const batch = makeBatch(dataset, batchSize, index);
    port.postMessage({ batch } satisfies BatchReply, [batch.pixels.buffer, batch.labels.buffer]);
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? error : new Error(String(error)) } satisfies BatchReply);
  }
});
