import { attentionFlops } from '@eflow/attention';
import { createSpec, type Kind, type Run, type Shape } from './workload.ts';

/** FLOPs of the matrix products in the definition of a kind with the project's own options. */
export const countFlops = (kind: Kind, run: Run, length: number, shape: Shape): number =>
  attentionFlops(createSpec(kind, shape), { ...shape, length })[run];
