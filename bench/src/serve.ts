// The child's half of `Child`, for TensorFlow.js.

import { createInterface } from 'node:readline';
import { compile } from '@eflow/engine';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Reply, Request } from './child.ts';
import type { Precision } from './contestant.ts';
import type { ProductRun } from './products.ts';

/** Answers requests, one JSON line each on standard input, with one JSON line on standard output, until input ends. */
export async function serve<Asked extends Request, Answer extends Reply>(
  handlers: {
    readonly [Run in Asked['run']]: (request: Asked) => Answer | Promise<Answer>;
  },
): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Asked;
    const reply: Reply = await Promise.resolve(request)
      .then(handlers[request.run as Asked['run']])
      .catch((error: Error) => ({ error: error.message }));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

/** The seconds of one call, or of as many as fit into `forSeconds`; what a call made is released off the clock. */
export function timeCalls<T>(call: () => T, release: (made: T) => void, forSeconds = 0): number[] {
  const seconds: number[] = [];
  let total = 0;
  do {
    const start = performance.now();
    const made = call();
    const taken = (performance.now() - start) / 1000;
    release(made);
    seconds.push(taken);
    total += taken;
  } while (total < forSeconds);
  return seconds;
}

/** The child's answers to requests for products; the factors are made when first asked for. */
export function serveProducts(size: number): Record<ProductRun, (request: Request) => Reply> {
  const products = {
    float32: once(() => createProduct(size, 'float32')),
    bf16: once(() => createProduct(size, 'bf16')),
  };
  const serveProduct =
    (precision: Precision) =>
    ({ forSeconds }: Request) => ({
      seconds: timeCalls(products[precision](), (product) => product.dispose(), forSeconds),
    });
  return { 'gemm-float32': serveProduct('float32'), 'gemm-bf16': serveProduct('bf16') };
}

/** A square product. tfjs has no bfloat16 of its own: there the conversion of both factors counts too. */
function createProduct(size: number, precision: Precision): () => tf.Tensor {
  const at = (label: string) => splitStream(createStream(7), label);
  const [a, b] = [randomNormal(at('a'), [size, size]), randomNormal(at('b'), [size, size])];
  const product = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y);
  const multiply = precision === 'bf16' ? compile(product, { precision }) : product;
  return () => multiply(a, b);
}

/** `create`, called once. */
export function once<T>(create: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: create() };
    return made.value;
  };
}

/** Largest error over the largest expected value (over 1 if all are 0); NaN if there is one in either. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) {
    throw new Error(`relativeDifference: ${actual.length} values; expected ${expected.length}`);
  }
  let largest = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(actual[i]! - expected[i]!));
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return largest / (scale || 1);
}
