import { readdirSync } from 'node:fs';

/**
 * Leaves TensorFlow one GPU where several are visible, the first, by CUDA_VISIBLE_DEVICES in `env`: TensorFlow.js puts
 * tensors on the last GPU and TensorFlow runs ops on the first. Gives the sentence that says so, if that was needed.
 */
export function keepOneGpu(env: NodeJS.ProcessEnv = process.env, devices = readdirSync('/dev')): string | undefined {
  const present = devices.filter((name) => /^nvidia\d+$/.test(name)).map((_, index) => String(index));
  const visible = env.CUDA_VISIBLE_DEVICES?.split(',') ?? present;
  if (visible.length < 2) return undefined;
  env.CUDA_VISIBLE_DEVICES = visible[0];
  return `Of ${visible.length} GPUs this process uses one, ${visible[0]}. Set CUDA_VISIBLE_DEVICES to another to choose, and start one process for each GPU to use several.`;
}
