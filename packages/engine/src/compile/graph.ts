import type { TensorMetadata, TFEOpAttr } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';
import { type GraphHandle, nativeBinding, TF_ATTR_FUNC, TF_BFLOAT16 } from './binding.ts';
import { opDefinition } from './op-definitions.ts';
import { refuse } from './refusal.ts';
import type { RegisteredFunction } from './registered-function.ts';

/** Arrays up to this size are stored in the graph; larger ones would make it slow to compile and to copy. */
export const MAX_CONSTANT_BYTES = 64 * 1024;
/** No reader takes a larger protocol buffer, which is what a serialised graph is. */
export const MAX_GRAPH_BYTES = 2 ** 31 - 1;
/** A shorter array of equal values is stored as it is: a Fill would not be smaller. */
const MIN_SPLAT_LENGTH = 16;

const PRODUCTS = new Set(['MatMul', 'BatchMatMulV2']);
/** Ops that leave numbers as they are, of any type. */
const MOVES = new Set(['Reshape', 'Transpose']);

export interface GraphOptions {
  /** The graph is to be compiled with XLA as a whole. */
  readonly xla: boolean;
  /**
   * Matrix products in bfloat16. To TensorFlow.js their results are float32, as which all ops read them but products and the
   * native ops that take either.
   */
  readonly bfloat16: boolean;
  /** Arrays of any size become constants, as in an exported model. */
  readonly embed: boolean;
}

/** A TensorFlow graph that grows op by op, as TensorFlow.js asks for them. Tensors in it are known by their id. */
export interface Graph {
  readonly handle: GraphHandle;
  addPlaceholder(dtype: number, shape: number[]): TensorMetadata;
  /** A constant of these values, or a Fill where they are all the same. */
  addConstant(dtype: number, shape: number[], values: ArrayBufferView): TensorMetadata;
  /** An op as tfjs-node's executeOp is asked for it. Throws a CompileError if a graph cannot hold it. */
  addOperation(op: string, attributes: TFEOpAttr[], inputs: number[], controlInputs?: number[]): TensorMetadata[];
  /** A call of a function that XLA compiles, with results of these types and shapes. */
  addXlaCall(callee: RegisteredFunction, inputs: number[], results: readonly TensorMetadata[]): TensorMetadata[];
  /** `x`, not made before `after` is, and not the same as `x` to an optimiser. */
  addBarrier(x: number, after: number): TensorMetadata;
  /** The tensor in the type that TensorFlow.js knows it by. */
  asKnown(id: number): number;
  /** Frees the graph, which is of no use then. */
  dispose(): void;
  /** Whether the tensor follows from constants alone. */
  isConstant(id: number): boolean;
  readonly options: GraphOptions;
  /** Functions that it calls; each is in use until it is released. */
  readonly callees: ReadonlySet<RegisteredFunction>;
  readonly operations: number;
  /** Multiplications and additions in the matrix products of one run. */
  readonly matmulFlops: number;
}

export function createGraph(options: GraphOptions): Graph {
  const { bfloat16, embed, xla } = options;
  const binding = nativeBinding();
  const handle = binding.createGraph();
  const tensors = new Map<number, TensorMetadata>();
  const constants = new Set<number>();
  const callees = new Set<RegisteredFunction>();
  let operations = 0;
  let matmulFlops = 0;
  let storedBytes = 0;

  const track = (outputs: TensorMetadata[]): TensorMetadata[] => {
    operations++;
    for (const output of outputs) tensors.set(output.id, output);
    return outputs;
  };
  const type = (name: string, value: number): TFEOpAttr => ({ name, type: binding.TF_ATTR_TYPE, value });
  const add = (op: string, inputs: (number | number[])[], attributes: TFEOpAttr[], control: number[] = []) => {
    const outputs = track(binding.addOperation(handle, op, inputs, attributes, control));
    if (inputs.length > 0 && inputs.flat().every((id) => constants.has(id))) {
      for (const { id } of outputs) constants.add(id);
    }
    return outputs;
  };

  function addConstant(dtype: number, shape: number[], values: ArrayBufferView): TensorMetadata {
    const splat = splatOf(values);
    if (splat && dtype !== binding.TF_INT64) {
      const dims = store(binding.TF_INT32, [shape.length], Int32Array.from(shape));
      const [output] = add('Fill', [dims.id, store(dtype, [], splat).id], []);
      return output!;
    }
    if (values.byteLength > MAX_CONSTANT_BYTES && !embed) {
      throw refuse(
        'constant',
        `an array of shape [${shape.join(', ')}] (${values.byteLength} bytes) would be stored in the graph`,
        'Pass it to the function as an argument, or compute it from smaller tensors inside',
      );
    }
    return store(dtype, shape, values);
  }

  function store(dtype: number, shape: number[], values: ArrayBufferView): TensorMetadata {
    storedBytes += values.byteLength;
    if (storedBytes > MAX_GRAPH_BYTES) {
      throw refuse(
        'constant',
        'the weights and other arrays that the graph stores take 2 GiB or more, which a graph cannot hold',
        'Use a smaller network, or its parts one by one',
      );
    }
    const [output] = track(binding.addConstant(handle, dtype, shape, values));
    constants.add(output!.id);
    return output!;
  }

  /** The sum of some tensors. TensorFlow's AddN begins with one that nothing else reads, which depends on what runs beside it. */
  function addInOrder([first, ...others]: readonly number[], control: number[]): TensorMetadata[] {
    return others.reduce((sum, id) => add('AddV2', [sum[0]!.id, id], [], control), [tensors.get(first!)!]);
  }

  const casts = new Map<number, number>();
  const isHalf = (id: number) => tensors.get(id)!.dtype === TF_BFLOAT16;
  const isFloat = (id: number) => isHalf(id) || tensors.get(id)!.dtype === binding.TF_FLOAT;
  /** x in the other type of floats; cast once, however often it is used. */
  function cast(id: number): number {
    const dtype = isHalf(id) ? binding.TF_FLOAT : TF_BFLOAT16;
    const other = casts.get(id) ?? add('Cast', [id], [type('DstT', dtype)])[0]!.id;
    casts.set(id, other);
    return other;
  }
  const asHalf = (id: number) => (isHalf(id) ? id : cast(id));
  /** The tensor as TensorFlow.js, which has no bfloat16, knows it. */
  const known = (tensor: TensorMetadata) => (isHalf(tensor.id) ? { ...tensor, dtype: binding.TF_FLOAT } : tensor);
  const asKnown = (id: number) => (isHalf(id) ? cast(id) : id);

  return {
    handle,
    get operations() {
      return operations;
    },
    get matmulFlops() {
      return matmulFlops;
    },
    addConstant,
    dispose: () => binding.deleteGraph(handle),
    isConstant: (id) => constants.has(id),
    asKnown,
    options,
    callees,
    addXlaCall(callee, inputs, results) {
      if (!callees.has(callee)) {
        binding.importFunction(handle, callee.name);
        callees.add(callee);
        callee.retain(); // it may be forgotten elsewhere before this graph is done
      }
      const outputs = add(
        'PartitionedCall',
        [inputs.map(asKnown)],
        [
          { name: 'f', type: TF_ATTR_FUNC, value: callee.name },
          { name: 'Tout', type: binding.TF_ATTR_TYPE, value: results.map(({ dtype }) => dtype) },
          { name: '_XlaMustCompile', type: binding.TF_ATTR_BOOL, value: true },
        ],
      );
      // Shapes are not inferred through a call.
      return outputs.map(({ id }, i) => {
        const attribute = { name: 'shape', type: binding.TF_ATTR_SHAPE, value: results[i]!.shape };
        return add('EnsureShape', [id], [attribute])[0]!;
      });
    },
    addBarrier(x, after) {
      const outputs = xla ? add('XlaOptimizationBarrier', [[x, after]], []) : add('Identity', [x], [], [after]);
      return known(outputs[0]!);
    },
    addPlaceholder(dtype, shape) {
      const attributes = [type('dtype', dtype), { name: 'shape', type: binding.TF_ATTR_SHAPE, value: shape }];
      return add('Placeholder', [], attributes)[0]!;
    },
    addOperation(requested, attributes, inputs, controlInputs = []) {
      if (requested === 'AddN' && inputs.length > 2) return addInOrder(inputs.map(asKnown), controlInputs);
      const { op, rename } = chooseOp(requested, inputs, tensors);
      const definition = opDefinition(op);
      if (!definition) throw refuse(op, 'TensorFlow has no such op', 'Use other ops');
      if (definition.stateful) {
        throw refuse(
          op,
          'it has side effects or state, which a graph must not have',
          'Call it outside of the function',
        );
      }
      const given = attributes
        .map((attribute) => ({ ...attribute, name: rename[attribute.name] ?? attribute.name }))
        .filter(({ name }) => definition.attributes.has(name) && !definition.inferred.has(name));
      const isHalfProduct = PRODUCTS.has(op) && bfloat16 && isFloat(inputs[0]!);
      const read = inputs.map((id, i) => {
        if (isHalfProduct) return asHalf(id);
        return MOVES.has(op) || definition.inputs[i]?.takesBfloat16 ? id : asKnown(id);
      });
      let outputs: TensorMetadata[];
      try {
        outputs = add(op, groupInputs(read, definition.inputs, attributes), given, controlInputs);
      } catch (error) {
        throw refuse(op, (error as Error).message, 'Fix the shapes or types that it is given');
      }
      for (const { shape } of outputs) {
        if (shape.includes(-1)) {
          throw refuse(
            op,
            `the shape of its result depends on the values of its inputs ([${shape.map((n) => (n < 0 ? '?' : n)).join(', ')}])`,
            'Use ops whose shapes are known, such as tf.where with three arguments, or call it outside of the function',
          );
        }
      }
      if (PRODUCTS.has(op)) matmulFlops += productFlops(tensors.get(inputs[0]!)!, attributes, outputs[0]!);
      return outputs.map(known);
    },
  };
}

/** tfjs-node multiplies matrices with the batched op; TensorFlow optimises the plain one further. */
function chooseOp(op: string, inputs: number[], tensors: ReadonlyMap<number, TensorMetadata>) {
  const flat = op === 'BatchMatMulV2' && inputs.every((id) => tensors.get(id)?.shape.length === 2);
  const rename: Record<string, string> = flat ? { adj_x: 'transpose_a', adj_y: 'transpose_b' } : {};
  return { op: flat ? 'MatMul' : op, rename };
}

/** A flat list of inputs as the op's arguments: a list of them stands where the definition has one. */
function groupInputs(
  inputs: readonly number[],
  args: readonly { listLength: string | undefined }[],
  attributes: readonly TFEOpAttr[],
): (number | number[])[] {
  let next = 0;
  return args.map(({ listLength }) => {
    if (listLength === undefined) return inputs[next++]!;
    const given = attributes.find(({ name }) => name === listLength)?.value;
    const length = typeof given === 'number' ? given : inputs.length - (args.length - 1);
    next += length;
    return inputs.slice(next - length, next);
  });
}

/** The one value of an array of equal values, as an array of length 1; undefined for other and for short arrays. */
function splatOf(values: ArrayBufferView): ArrayBufferView | undefined {
  const bytesPerElement = (values as Float32Array).BYTES_PER_ELEMENT;
  const length = values.byteLength / bytesPerElement;
  if (length < MIN_SPLAT_LENGTH) return undefined;
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  // Equal to itself moved by one element.
  if (bytes.compare(bytes, bytesPerElement, undefined, 0, bytes.length - bytesPerElement) !== 0) return undefined;
  return (values as Float32Array).subarray(0, 1);
}

function productFlops(a: TensorMetadata, attributes: readonly TFEOpAttr[], output: TensorMetadata): number {
  const transposed = attributes.some(({ name, value }) => name === 'adj_x' && value === true);
  const inner = a.shape.at(transposed ? -2 : -1)!;
  return 2 * inner * output.shape.reduce((product, n) => product * n, 1);
}
