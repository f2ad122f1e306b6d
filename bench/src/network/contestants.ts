import type { GraphDescription } from '@eflow/engine';
import type { Reply, Request } from '../child.ts';
import type { Contestant as BaseContestant, Precision, Runtime } from '../contestant.ts';
import type { ProductRun } from '../products.ts';
import type { Prediction, Run, Workload } from './workload.ts';

export interface Contestant extends BaseContestant {
  precision: Precision;
}

export const CONTESTANTS: readonly Contestant[] = [
  { name: 'eager', label: 'tfjs eager', runtime: 'tensorflow', mode: 'eager', precision: 'float32' },
  { name: 'compiled', label: 'compiled', runtime: 'tensorflow', mode: 'compiled', precision: 'float32' },
  { name: 'xla', label: 'compiled + XLA', runtime: 'tensorflow', mode: 'xla', precision: 'float32' },
  { name: 'bf16', label: 'compiled, bf16', runtime: 'tensorflow', mode: 'compiled', precision: 'bf16' },
  { name: 'torch', label: 'PyTorch eager', runtime: 'torch', mode: 'eager', precision: 'float32' },
  { name: 'torch-compile', label: 'torch.compile', runtime: 'torch', mode: 'compiled', precision: 'float32' },
  { name: 'torch-compile-bf16', label: 'torch.compile, bf16', runtime: 'torch', mode: 'compiled', precision: 'bf16' },
];

/** A process that takes turns with others: a contestant with its work. */
export interface Entrant {
  /** For people. */
  label: string;
  contestant: Contestant;
  workload: Workload;
  /** What is measured, in this order. */
  runs: readonly Run[];
}

/** How each precision's contestants may differ from eager tfjs: the largest error over the largest value. */
export const TOLERANCE: Readonly<Record<Precision, number>> = { float32: 1e-4, bf16: 5e-2 };

/** What a child process is told when it starts, as JSON in its one argument. */
export interface ChildSpec extends Pick<Contestant, 'mode' | 'precision'> {
  workload: Workload;
  /** With inputs.safetensors of `params.*` and `batch.*`, and predictions.safetensors with `forward` and `weak`. */
  folder: string;
  /** Rows and columns of the plain products. */
  productSize: number;
}

/** Programs of the child processes. */
export const PROGRAMS: Readonly<Record<Runtime, URL>> = {
  tensorflow: new URL('tfjs-child.ts', import.meta.url),
  torch: new URL('../../torch/step_child.py', import.meta.url),
};

/** `hello` loads what the runs need; `reference` writes the folder's files; a check compares with them. */
export type NetworkRequest = Request<'hello' | 'reference' | Run | `check-${Prediction}` | ProductRun>;

/** Each request has fields of its own. */
export interface NetworkReply extends Reply {
  /** To a check: largest error over largest value. */
  difference?: number;
  /** To `step`. */
  loss?: number;
  gradNorm?: number;
  /** To the first `step`, if it is compiled here. */
  graph?: GraphDescription;
}
