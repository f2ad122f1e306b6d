import { loadavg, release, totalmem } from 'node:os';
import { type Machine as Base, describeMachine as describeBase } from '@eflow/cli';
import { bfloat16Support } from '@eflow/engine';

export interface Machine extends Base {
  memoryBytes: number;
  /** Of the system, averaged over the last minute, when the benchmark began. */
  loadAverage: number;
  system: string;
  /** The CPU multiplies matrices in bfloat16. */
  hasBf16: boolean;
}

export function describeMachine(): Machine {
  return {
    ...describeBase(),
    memoryBytes: totalmem(),
    loadAverage: loadavg()[0]!,
    system: `${process.platform} ${process.arch} ${release()}`,
    hasBf16: bfloat16Support('cpu').supported,
  };
}
