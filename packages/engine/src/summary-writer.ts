import { useTensorFlow } from './use-tensorflow.ts';

/** Writes curves for TensorBoard. */
export interface SummaryWriter {
  /** Adds the point (step, value) to the curve `name`. Throws unless step is a non-negative integer. */
  scalar(name: string, value: number, step: number): void;
  /** Writes what is buffered to the disk; otherwise that happens every two minutes, and every ten points. */
  flush(): void;
}

/** A writer of TensorBoard event files in `folder`, which is made if needed. Sets the engine up as the backend. */
export async function createSummaryWriter(folder: string): Promise<SummaryWriter> {
  await useTensorFlow();
  const { summaryFileWriter } = await import('./tfjs-node.ts');
  const writer = summaryFileWriter(folder);
  return {
    scalar(name, value, step) {
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new Error(`createSummaryWriter: step of ${name} is ${step}; expected an integer from 0`);
      }
      writer.scalar(name, value, step);
    },
    flush: () => writer.flush(),
  };
}
