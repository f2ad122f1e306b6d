import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Instruction sets that multiply bfloat16 matrices, on x64 and on arm64, as Linux reports them. */
const CPU_FLAGS = ['avx512_bf16', 'amx_bf16', 'bf16'];
/** NVIDIA's compute capability from which GPUs have it (Ampere). */
const COMPUTE_CAPABILITY = 8;

export interface Bfloat16Support {
  readonly supported: boolean;
  /** What has it, or what lacks it. */
  readonly by: string;
}

/** Whether the device multiplies matrices in bfloat16 in hardware. Without that it would be slower than float32. */
export function bfloat16Support(device: 'cpu' | 'gpu'): Bfloat16Support {
  if (device === 'gpu') {
    const query = ['--query-gpu=compute_cap', '--format=csv,noheader'];
    const capability = Number.parseFloat(spawnSync('nvidia-smi', query, { encoding: 'utf8' }).stdout ?? '');
    return {
      supported: capability >= COMPUTE_CAPABILITY,
      by: `a GPU of compute capability ${Number.isNaN(capability) ? 'unknown' : capability}`,
    };
  }
  const found = CPU_FLAGS.find((flag) => cpuFlags().has(flag));
  return { supported: found !== undefined, by: found ?? `a CPU without ${CPU_FLAGS.join(', ')}` };
}

/** The instruction sets of the CPU, as Linux names them; empty where it does not. */
export function cpuFlags(): ReadonlySet<string> {
  const cpus = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  return new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpus)?.[1]?.trim().split(/\s+/));
}
