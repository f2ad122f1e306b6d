import type { Reply, Request } from '../child.ts';
import type { Runtime } from '../contestant.ts';
import type { ProductRun } from '../products.ts';

export interface Contestant {
  name: string;
  /** For people. */
  label: string;
  runtime: Runtime;
  mode: 'eager' | 'compiled';
}

export const CONTESTANTS: readonly Contestant[] = [
  { name: 'eager', label: 'tfjs eager', runtime: 'tensorflow', mode: 'eager' },
  { name: 'compiled', label: 'compiled', runtime: 'tensorflow', mode: 'compiled' },
  { name: 'torch', label: 'PyTorch eager', runtime: 'torch', mode: 'eager' },
  { name: 'torch-compile', label: 'torch.compile', runtime: 'torch', mode: 'compiled' },
];

/** How logits may differ from eager tfjs': the largest error over the largest value. */
export const TOLERANCE = 1e-4;

/** What a child process is told when it starts, as JSON in its one argument. */
export interface ChildSpec extends Pick<Contestant, 'mode'> {
  /** Of inputs.safetensors with I3D's state_dict and `clips` [B, F, 224, 224, 3], and logits.safetensors with `logits`. */
  folder: string;
  /** Rows and columns of the plain products. */
  productSize: number;
}

/** Programs of the child processes. */
export const PROGRAMS: Readonly<Record<Runtime, URL>> = {
  tensorflow: new URL('tfjs-child.ts', import.meta.url),
  torch: new URL('../../torch/i3d_child.py', import.meta.url),
};

/** `hello` loads the weights; `reference` writes the logits; `check` compares with them. */
export type I3DRequest = Request<'hello' | 'reference' | 'forward' | 'check' | ProductRun>;

/** Each request has fields of its own. */
export interface I3DReply extends Reply {
  /** To `hello`. */
  version?: string;
  /** To `check`: largest error over largest value. */
  difference?: number;
}
