import { fileURLToPath } from 'node:url';

export type Precision = 'float32' | 'bf16';

export type Runtime = 'tensorflow' | 'torch';

/** For people. */
export const RUNTIME_NAMES: Readonly<Record<Runtime, string>> = { tensorflow: 'TensorFlow', torch: 'PyTorch' };

/** Who could not be measured, and why. */
export interface Failure {
  label: string;
  reason: string;
}

export const describeError = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The command line of a contestant's process: its program gets `spec` as JSON. `python` has PyTorch. */
export function childCommand(
  runtime: Runtime,
  programs: Readonly<Record<Runtime, URL>>,
  spec: object,
  python?: string,
): [string, ...string[]] {
  const program = [fileURLToPath(programs[runtime]), JSON.stringify(spec)];
  if (runtime === 'torch') return [python!, ...program];
  return [process.execPath, '--expose-gc', '--import', 'tsx', '--conditions=@eflow/source', ...program];
}
