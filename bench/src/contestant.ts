import { fileURLToPath } from 'node:url';
import { type Child, type Reply, type Request, startChild } from './child.ts';

export type Precision = 'float32' | 'bf16';

export type Runtime = 'tensorflow' | 'torch';

/** For people. */
export const RUNTIME_NAMES: Readonly<Record<Runtime, string>> = { tensorflow: 'TensorFlow', torch: 'PyTorch' };

/** Who is measured, in a process of its own. */
export interface Contestant {
  name: string;
  /** For people. */
  label: string;
  runtime: Runtime;
  mode: 'eager' | 'compiled' | 'xla';
}

/** Who could not be measured, and why. */
export interface Failure {
  label: string;
  reason: string;
}

export const describeError = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Starts the process of a contestant: its program gets `spec` as JSON. `python` has PyTorch. */
export function startContestant<Asked extends Request, Answer extends Reply>(
  runtime: Runtime,
  programs: Readonly<Record<Runtime, URL>>,
  spec: object,
  { env, python }: { env: NodeJS.ProcessEnv; python?: string },
): Child<Asked, Answer> {
  const program = [fileURLToPath(programs[runtime]), JSON.stringify(spec)];
  if (runtime === 'torch') return startChild([python!, ...program], env);
  return startChild(
    [process.execPath, '--expose-gc', '--import', 'tsx', '--conditions=@eflow/source', ...program],
    env,
  );
}
