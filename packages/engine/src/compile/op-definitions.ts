import api from '@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js';
import { nativeBinding, TF_BFLOAT16 } from './binding.ts';

interface InputDefinition {
  /** The attribute that counts the argument's tensors, if it takes a list. */
  readonly listLength: string | undefined;
  /** Whether it may be float32 or bfloat16, and nothing else, as products may be. */
  readonly takesBfloat16: boolean;
}

/** What a graph must know of an op beyond what TensorFlow.js passes to the eager runtime. */
export interface OpDefinition {
  readonly inputs: readonly InputDefinition[];
  /** Attributes that follow from the inputs. */
  readonly inferred: ReadonlySet<string>;
  /** Types of the attributes by their names, as TensorFlow writes them: int, float, bool, string, type, list(int), ... */
  readonly attributes: ReadonlyMap<string, string>;
  readonly numOutputs: number;
  /** Has side effects or state, or other results on each run. */
  readonly stateful: boolean;
}

type OpDefinitions = ReadonlyMap<string, OpDefinition>;

let ownOps: OpDefinitions | undefined;
const loadedOps = new Map<string, OpDefinition>();

/** The definition of a TensorFlow op, from the library itself; undefined if it has no such op. */
export function opDefinition(op: string): OpDefinition | undefined {
  ownOps ??= parseDefinitions(nativeBinding().listOpDefinitions());
  return ownOps.get(op) ?? loadedOps.get(op);
}

/** Loads a shared library of ops into TensorFlow, and returns their definitions. Throws if it cannot be loaded. */
export function loadOps(library: string): OpDefinitions {
  const ops = parseDefinitions(nativeBinding().loadLibrary(library));
  for (const [op, definition] of ops) loadedOps.set(op, definition);
  return ops;
}

function parseDefinitions(list: Buffer): OpDefinitions {
  const ops = api.OpList.deserializeBinary(new Uint8Array(list)).getOpList();
  return new Map(
    ops.map((op) => {
      const inputs = op.getInputArgList();
      const halves = op
        .getAttrList()
        .filter((attribute) => isEither(attribute.getAllowedValues()?.getList()?.getTypeList()));
      const inferred = inputs.flatMap((arg) => [arg.getTypeAttr(), arg.getNumberAttr(), arg.getTypeListAttr()]);
      return [
        op.getName(),
        {
          inputs: inputs.map((arg) => ({
            listLength: arg.getNumberAttr() || arg.getTypeListAttr() || undefined,
            takesBfloat16: halves.some((attribute) => attribute.getName() === arg.getTypeAttr()),
          })),
          inferred: new Set(inferred.filter((name) => name !== '')),
          attributes: new Map(op.getAttrList().map((attribute) => [attribute.getName(), attribute.getType()])),
          numOutputs: op.getOutputArgList().length,
          stateful: op.getIsStateful(),
        },
      ];
    }),
  );
}

const isEither = (types: readonly number[] | undefined): boolean =>
  types?.length === 2 && types.includes(nativeBinding().TF_FLOAT) && types.includes(TF_BFLOAT16);
