import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  ADAMW_DEFAULTS,
  adamW,
  clipByGlobalNorm,
  DEFAULT_CLIP_NORM,
  WARMUP_DEFAULTS,
  warmupConstant,
  warmupCosine,
} from './index.ts';

it('optimizer, clipping and schedules without options are those of their defaults', () => {
  for (const step of [0, 9]) expect(adamW().coefficients(step)).toEqual(adamW(ADAMW_DEFAULTS).coefficients(step));
  expect(adamW({ betas: [0.5, 0.5] }).coefficients(0)).not.toEqual(adamW().coefficients(0));
  expect(warmupConstant()(3)).toBe(WARMUP_DEFAULTS.learningRate);
  expect(warmupCosine({ totalSteps: 2 })(1)).toBe(WARMUP_DEFAULTS.learningRate / 2); // half way down
  tf.tidy(() => {
    const grads = [tf.tensor1d([30, 40])];
    const [clipped, expected] = [clipByGlobalNorm(grads), clipByGlobalNorm(grads, DEFAULT_CLIP_NORM)];
    expect([...clipped.grads[0]!.dataSync()]).toEqual([...expected.grads[0]!.dataSync()]);
  });
});

it('an option that is undefined has its default', () => {
  const weightDecay = undefined as number | undefined;
  expect(adamW({ weightDecay } as object).coefficients(0).shrink).toBe(1);
});

it('a misspelt option is an error of the compiler, and names the nearest at run time', () => {
  // @ts-expect-error: no option of it
  expect(() => adamW({ learningrate: 1 })).toThrow(
    "adamW: unknown option 'learningrate'; did you mean 'learningRate'? Options: learningRate, betas, eps, weightDecay",
  );
  // @ts-expect-error: no option of it
  expect(() => adamW({ beta: [0.9, 0.99] })).toThrow("did you mean 'betas'");
  // @ts-expect-error: no option of it
  expect(() => warmupConstant({ warmup: 10 })).toThrow(
    "warmupConstant: unknown option 'warmup'; did you mean 'warmupSteps'",
  );
  // @ts-expect-error: no option of it
  expect(() => warmupCosine({ totalSteps: 9, warmUpSteps: 1 })).toThrow(
    "warmupCosine: unknown option 'warmUpSteps'; did you mean 'warmupSteps'",
  );
});
