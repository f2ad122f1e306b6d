import { RANDOM_KERNELS, SPLIT_KEY } from '@eflow/tensor';
import { getKernel, registerKernel, type Tensor } from '@tensorflow/tfjs-core';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import type { TensorMetadata, TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { PHILOX, TF_UINT64 } from './compile/binding.ts';

/** TensorFlow's op behind each draw, and the type of its values. */
const DRAWS = {
  bits: { op: 'StatelessRandomUniformFullIntV2', type: 'TF_INT32' },
  uniform: { op: 'StatelessRandomUniformV2', type: 'TF_FLOAT' },
  normal: { op: 'StatelessRandomNormalV2', type: 'TF_FLOAT' },
} as const;

/**
 * Registers the draws and the split of @eflow/tensor as kernels of the `tensorflow` backend, as its RANDOM_KERNELS
 * describes them. They give the numbers of @eflow/tensor's own Philox, at TensorFlow's speed. The caller owns the output.
 */
export function registerRandomKernels(): void {
  for (const kind of ['bits', 'uniform', 'normal'] as const) {
    register(RANDOM_KERNELS[kind], (ops, seed, { shape }) => {
      const types = { Tseed: ops.binding.TF_INT32 };
      const [key, counter] = ops.run('StatelessRandomGetKeyCounter', types, [seed], 2);
      return draw(ops, kind, shape as number[], { key: key!, counter: counter! });
    });
  }
  // A child's seed is half of Philox's block at the counter (seed, word, kind), which a draw of two words from there is.
  register(RANDOM_KERNELS.split, (ops, seed, { word, kind }) => {
    const label = ops.int32([2], [word as number, kind as number]);
    const [counter] = ops.run('Pack', { T: ops.binding.TF_INT32 }, [seed, label]);
    const key = ops.int32([1, 2], SPLIT_KEY);
    return draw(ops, 'bits', [2], { key: toUint64(ops, key), counter: toUint64(ops, counter!) });
  });
}

function draw(ops: Ops, kind: keyof typeof DRAWS, shape: number[], { key, counter }: { key: Id; counter: Id }) {
  const { op, type } = DRAWS[kind];
  const inputs = [ops.int32([shape.length], shape), key, counter, ops.int32([], [PHILOX])];
  return ops.run(op, { dtype: ops.binding[type], Tshape: ops.binding.TF_INT32 }, inputs)[0]!;
}

/** Pairs of 32-bit words, low word first, as single numbers: [..., 2] -> [...]. */
const toUint64 = (ops: Ops, pairs: Id) => ops.run('Bitcast', { T: ops.binding.TF_INT32, type: TF_UINT64 }, [pairs])[0]!;

/** A tensor of the addon. The key and the counter are uint64, which TensorFlow.js has no tensors of. */
type Id = Pick<TensorMetadata, 'id'>;

interface Ops {
  readonly binding: TFJSBinding;
  int32(shape: number[], values: readonly number[]): Id;
  run(op: string, types: Readonly<Record<string, number>>, inputs: Id[], numOutputs?: number): TensorMetadata[];
}

/** TensorFlow's ops on ids, which are noted in `made`. */
function createOps(binding: TFJSBinding, made: Set<number>): Ops {
  return {
    binding,
    int32(shape, values) {
      const id = binding.createTensor(shape, binding.TF_INT32, Int32Array.from(values));
      made.add(id);
      return { id };
    },
    run(op, types, inputs, numOutputs = 1) {
      const attributes = Object.entries(types).map(([name, value]) => ({ name, type: binding.TF_ATTR_TYPE, value }));
      if (op === 'Pack') attributes.push({ name: 'N', type: binding.TF_ATTR_INT, value: inputs.length });
      const ids = inputs.map(({ id }) => id);
      const outputs = binding.executeOp(op, attributes, ids, numOutputs);
      for (const { id } of outputs) made.add(id);
      return outputs;
    },
  };
}

/** Registers a kernel with the input `seed`. Its output is what `build` returns; what else `build` makes is freed. */
function register(
  kernelName: string,
  build: (ops: Ops, seed: Id, attributes: Readonly<Record<string, unknown>>) => TensorMetadata,
): void {
  if (getKernel(kernelName, 'tensorflow')) return;
  registerKernel({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, attrs = {}, backend: anyBackend }) => {
      const backend = anyBackend as NodeJSKernelBackend;
      const made = new Set<number>();
      // Both methods are private in tfjs-node's types; its other ways in and out take no ids.
      try {
        // biome-ignore lint/complexity/useLiteralKeys: see above
        const [id] = backend['getInputTensorIds']([inputs.seed as Tensor]);
        const output = build(createOps(backend.binding, made), { id: id! }, attrs);
        made.delete(output.id);
        // biome-ignore lint/complexity/useLiteralKeys: see above
        return backend['createOutputTensor'](output);
      } finally {
        for (const id of made) backend.binding.deleteTensor(id);
      }
    },
  });
}
