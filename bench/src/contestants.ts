import { fileURLToPath } from 'node:url';
import type { VideoDiTConfig } from '@eflow/video-dit';

export type Precision = 'float32' | 'bf16';

export type Runtime = 'tensorflow' | 'torch';

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

const TFJS_CHILD = fileURLToPath(new URL('tfjs-child.ts', import.meta.url));
const TORCH_CHILD = fileURLToPath(new URL('../torch/child.py', import.meta.url));

/** The command line of a contestant's process; `python` has PyTorch. */
export function childCommand(runtime: Runtime, spec: ChildSpec, python?: string): [string, ...string[]] {
  const argument = JSON.stringify(spec);
  if (runtime === 'torch') return [python!, TORCH_CHILD, argument];
  return [process.execPath, '--import', 'tsx', '--conditions=@eflow/source', TFJS_CHILD, argument];
}
