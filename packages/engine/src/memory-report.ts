import * as tf from '@tensorflow/tfjs-core';

export interface MemoryReport {
  /** Tensors that are not disposed, and the bytes of their data. */
  readonly numTensors: number;
  readonly tensorBytes: number;
  /** Memory of the process in RAM, now and at its highest, in bytes. */
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

/** What the process holds now. The peak never falls: compare two processes, not two moments. */
export function reportMemory(): MemoryReport {
  const { numTensors, numBytes } = tf.memory();
  return {
    numTensors,
    tensorBytes: numBytes,
    residentBytes: process.memoryUsage.rss(),
    peakResidentBytes: process.resourceUsage().maxRSS * 1024, // Node.js gives kilobytes on every platform
  };
}
