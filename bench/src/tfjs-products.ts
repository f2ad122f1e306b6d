import { compile } from '@eflow/engine';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Reply, Request } from './child.ts';
import type { Precision } from './contestant.ts';
import type { ProductRun } from './products.ts';
import { timeCalls } from './serve.ts';

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
