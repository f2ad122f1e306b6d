import { RANDOM_KERNELS } from '@eflow/tensor';
import { getKernel, registerKernel, type Tensor } from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';

const PHILOX = 1; // the `alg` of TensorFlow's stateless random ops

/** TensorFlow's op behind each kernel, and the type of its values. */
const OPS = {
  bits: { op: 'StatelessRandomUniformFullIntV2', type: 'TF_INT32' },
  uniform: { op: 'StatelessRandomUniformV2', type: 'TF_FLOAT' },
  normal: { op: 'StatelessRandomNormalV2', type: 'TF_FLOAT' },
} as const;

/**
 * Registers the draws of @eflow/tensor as kernels of the `tensorflow` backend: attributes `{ shape, seed }`, no inputs,
 * one output that the caller owns. They give the numbers of @eflow/tensor's own Philox, at TensorFlow's speed.
 */
export function registerRandomKernels(): void {
  for (const kind of ['bits', 'uniform', 'normal'] as const) {
    const kernelName = RANDOM_KERNELS[kind];
    if (getKernel(kernelName, 'tensorflow')) continue;
    registerKernel({
      kernelName,
      backendName: 'tensorflow',
      kernelFunc: ({ attrs, backend }) =>
        draw(backend as NodeJSKernelBackend, OPS[kind], attrs?.shape as number[], attrs?.seed as number[]),
    });
  }
}

/** Runs the op on ids of the addon: the key and counter are uint64, which TensorFlow.js has no tensors of. */
function draw(
  backend: NodeJSKernelBackend,
  { op, type }: (typeof OPS)[keyof typeof OPS],
  shape: number[],
  seed: number[],
): Tensor {
  const { binding } = backend;
  const typeAttribute = (name: string, value: number) => ({ name, type: binding.TF_ATTR_TYPE, value });
  const inputs: number[] = [];
  const int32 = (values: number[], dims = [values.length]) => {
    inputs.push(binding.createTensor(dims, binding.TF_INT32, Int32Array.from(values)));
    return inputs.at(-1)!;
  };
  try {
    const keyAttributes = [typeAttribute('Tseed', binding.TF_INT32)];
    const keyAndCounter = binding.executeOp('StatelessRandomGetKeyCounter', keyAttributes, [int32(seed)], 2);
    const [key, counter] = keyAndCounter.map(({ id }) => id) as [number, number];
    inputs.push(key, counter);
    const attributes = [typeAttribute('dtype', binding[type]), typeAttribute('Tshape', binding.TF_INT32)];
    const [output] = binding.executeOp(op, attributes, [int32(shape), key, counter, int32([PHILOX], [])], 1);
    // biome-ignore lint/complexity/useLiteralKeys: the method is private in tfjs-node's types; its other ways in take no ids
    return backend['createOutputTensor'](output!);
  } finally {
    for (const id of inputs) binding.deleteTensor(id);
  }
}
