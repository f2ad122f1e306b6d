import { describe, expect, it } from 'vitest';
import { keepOneGpu } from './gpu.ts';

describe('keepOneGpu', () => {
  const devices = ['null', 'nvidia0', 'nvidia1', 'nvidiactl', 'nvidia-uvm'];

  it.each<[given: string | undefined, devices: string[], kept: string | undefined, says: string | undefined]>([
    [undefined, ['null'], undefined, undefined],
    [undefined, ['nvidia3', 'nvidiactl'], undefined, undefined],
    [undefined, devices, '0', 'Of 2 GPUs this process uses one, 0.'],
    ['1', devices, '1', undefined],
    ['', devices, '', undefined],
    ['-1', devices, '-1', undefined],
    ['3,1,0', devices, '3', 'Of 3 GPUs this process uses one, 3.'],
    ['GPU-2f,GPU-3a', [], 'GPU-2f', 'Of 2 GPUs this process uses one, GPU-2f.'],
  ])('of CUDA_VISIBLE_DEVICES=%s and %j keeps %s', (given, present, kept, says) => {
    const env: NodeJS.ProcessEnv = given === undefined ? {} : { CUDA_VISIBLE_DEVICES: given };
    const message = keepOneGpu(env, present);
    expect(env.CUDA_VISIBLE_DEVICES).toBe(kept);
    if (says) expect(message).toContain(says);
    else expect(message).toBe(undefined);
  });
});
