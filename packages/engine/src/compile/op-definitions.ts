import { createRequire } from 'node:module';
import { nativeBinding } from './binding.ts';

/** What a graph must know of an op beyond what TensorFlow.js passes to the eager runtime. */
export interface OpDefinition {
  /** For each input argument the attribute that counts its tensors if it takes a list, else undefined. */
  readonly inputs: readonly { readonly listLength: string | undefined }[];
  /** Attributes that follow from the inputs. */
  readonly inferred: ReadonlySet<string>;
  readonly attributes: ReadonlySet<string>;
  /** Has side effects or state, or other results on each run. */
  readonly stateful: boolean;
}

interface OpListMessage {
  getOpList(): {
    getName(): string;
    getInputArgList(): { getTypeAttr(): string; getNumberAttr(): string; getTypeListAttr(): string }[];
    getAttrList(): { getName(): string }[];
    getIsStateful(): boolean;
  }[];
}

interface Messages {
  OpList: { deserializeBinary(bytes: Uint8Array): OpListMessage };
}

let definitions: Map<string, OpDefinition> | undefined;

/** The definition of a TensorFlow op, from the library itself; undefined if it has no such op. */
export function opDefinition(op: string): OpDefinition | undefined {
  definitions ??= readDefinitions();
  return definitions.get(op);
}

function readDefinitions(): Map<string, OpDefinition> {
  const { OpList } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as Messages;
  const ops = OpList.deserializeBinary(new Uint8Array(nativeBinding().listOpDefinitions())).getOpList();
  return new Map(
    ops.map((op) => {
      const inputs = op.getInputArgList();
      const inferred = inputs.flatMap((arg) => [arg.getTypeAttr(), arg.getNumberAttr(), arg.getTypeListAttr()]);
      return [
        op.getName(),
        {
          inputs: inputs.map((arg) => ({ listLength: arg.getNumberAttr() || arg.getTypeListAttr() || undefined })),
          inferred: new Set(inferred.filter((name) => name !== '')),
          attributes: new Set(op.getAttrList().map((attribute) => attribute.getName())),
          stateful: op.getIsStateful(),
        },
      ];
    }),
  );
}
