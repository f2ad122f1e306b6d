import type { GraphDescription } from '@eflow/engine';
import type { VideoDiTConfig } from '@eflow/video-dit';
import type { Reply, Request } from '../child.ts';
import type { Precision, Runtime } from '../contestant.ts';
import type { ProductRun } from '../products.ts';

export interface Contestant {
  name: string;
  /** For people. */
  label: string;
  runtime: Runtime;
  mode: 'eager' | 'compiled' | 'xla';
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

/** How each precision's contestants may differ from eager tfjs: the largest error over the largest value. */
export const TOLERANCE: Readonly<Record<Precision, number>> = { float32: 1e-4, bf16: 5e-2 };

/** What a child process is told when it starts, as JSON in its one argument. */
export interface ChildSpec extends Pick<Contestant, 'mode' | 'precision'> {
  network: VideoDiTConfig;
  batchSize: number;
  /** A safetensors file with `params.*`, `batch.*` and `prediction`. */
  reference: string;
  /** Rows and columns of the plain products. */
  productSize: number;
}

/** Programs of the child processes. */
export const PROGRAMS: Readonly<Record<Runtime, URL>> = {
  tensorflow: new URL('tfjs-child.ts', import.meta.url),
  torch: new URL('../../torch/step_child.py', import.meta.url),
};

export type StepRequest = Request<'hello' | 'reference' | 'forward' | 'check' | 'step' | ProductRun>;

/** Each request has fields of its own. */
export interface StepReply extends Reply {
  /** To `hello`. */
  version?: string;
  /** To `check`: largest error over largest value. */
  difference?: number;
  /** To `step`. */
  loss?: number;
  gradNorm?: number;
  /** To the first `step`, if it is compiled here. */
  graph?: GraphDescription;
}
