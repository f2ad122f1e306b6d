import type { Reply, Request } from '../child.ts';
import type { Contestant as BaseContestant, Runtime } from '../contestant.ts';
import type { ProductRun } from '../products.ts';
import { type Kind, type Run, type Shape, TORCH_KINDS } from './workload.ts';

export interface Contestant extends BaseContestant {
  /** C++ kernels may take the place of tfjs' composed ops. */
  native: boolean;
}

/** A contestant with its work, in a process of its own. */
export interface Entrant extends Contestant {
  kind: Kind;
  lengths: readonly number[];
}

/** What trains and samples: compiled, native where the kind has a native form. */
export const NATIVE: Contestant = {
  name: 'native',
  label: 'native',
  runtime: 'tensorflow',
  mode: 'compiled',
  native: true,
};

export const CONTESTANTS: readonly Contestant[] = [
  NATIVE,
  { name: 'composed', label: 'composed', runtime: 'tensorflow', mode: 'compiled', native: false },
  { name: 'torch', label: 'PyTorch eager', runtime: 'torch', mode: 'eager', native: false },
  { name: 'torch-compile', label: 'torch.compile', runtime: 'torch', mode: 'compiled', native: false },
];

/** Writes inputs and results for the others to be compared with. */
export const REFERENCE: Contestant = {
  name: 'reference',
  label: 'reference',
  runtime: 'tensorflow',
  mode: 'eager',
  native: false,
};

/** The contestants that there is a program of the kind for. */
export const contestantsFor = (kind: Kind, contestants: readonly Contestant[]): readonly Contestant[] =>
  contestants.filter(({ runtime }) => runtime === 'tensorflow' || TORCH_KINDS.includes(kind));

/** How the contestants may differ from the reference, output and every gradient: the largest error over the largest value. */
export const TOLERANCE = 1e-4;

/** What a child process is told when it starts, as JSON in its one argument. */
export interface ChildSpec {
  mode: Contestant['mode'];
  native: boolean;
  kind: Kind;
  shape: Shape;
  /** With safetensors files: inputs-LENGTH, and KIND-LENGTH with `output` and `grads.*`. */
  folder: string;
  /** Rows and columns of the plain products. */
  productSize: number;
}

/** Programs of the child processes. */
export const PROGRAMS: Readonly<Record<Runtime, URL>> = {
  tensorflow: new URL('tfjs-child.ts', import.meta.url),
  torch: new URL('../../torch/attention_child.py', import.meta.url),
};

/**
 * `reference` writes files, `load` makes the inputs of a length, the first calls choose among several ways to write it,
 * `check` compares with the reference, and the runs measure.
 */
export interface AttentionRequest
  extends Request<'hello' | 'reference' | 'load' | `first-${Run}` | 'check' | Run | ProductRun> {
  /** L, for all that need one. */
  length?: number;
}

/** Each request has fields of its own. */
export interface AttentionReply extends Reply {
  /** To `check`: the largest error over the largest value. */
  difference?: Record<Run, number>;
  /** To `check`: C++ kernels run. */
  native?: boolean;
}
