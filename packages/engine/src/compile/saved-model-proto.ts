import { MAX_GRAPH_BYTES } from './graph.ts';

/** An input or output of a model. */
export interface ModelTensor {
  /** As the model's users call it. */
  readonly key: string;
  /** In the graph: `operation:output`. */
  readonly name: string;
  /** TensorFlow's number of its type. */
  readonly dtype: number;
  readonly shape: readonly number[];
}

export interface SavedModel {
  /** The graph, serialised. */
  readonly graphDef: Uint8Array;
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
  readonly tensorflowVersion: string;
}

const SCHEMA_VERSION = 1;

/**
 * `saved_model.pb` in consecutive pieces: one MetaGraphDef, tagged `serve`, with the signature `serving_default`
 * (TensorFlow's saved_model.proto and meta_graph.proto). The graph goes in as it is, byte for byte. Throws an Error if
 * that makes 2 GiB or more.
 */
export function encodeSavedModel({ graphDef, inputs, outputs, tensorflowVersion }: SavedModel): Uint8Array[] {
  const metaInfo = [text(4, 'serve'), text(5, tensorflowVersion)];
  const signature = [
    ...inputs.map((tensor) => mapEntry(1, tensor.key, tensorInfo(tensor))),
    ...outputs.map((tensor) => mapEntry(2, tensor.key, tensorInfo(tensor))),
    text(3, 'tensorflow/serving/predict'),
  ];
  const metaGraph = Buffer.concat([
    message(1, metaInfo),
    mapEntry(5, 'serving_default', signature),
    prefix(2, graphDef.length),
  ]);
  const savedModel = [integer(1, SCHEMA_VERSION), prefix(2, metaGraph.length + graphDef.length), metaGraph, graphDef];
  const bytes = savedModel.reduce((sum, { length }) => sum + length, 0);
  if (bytes > MAX_GRAPH_BYTES) {
    throw new Error(
      `exportSavedModel: the model takes ${(bytes / 2 ** 30).toFixed(2)} GiB; a SavedModel keeps graph and weights in one file of less than 2 GiB. Use a smaller network, or its parts one by one`,
    );
  }
  return savedModel;
}

const tensorInfo = ({ name, dtype, shape }: ModelTensor): Buffer[] => {
  const dims = shape.map((length) => message(2, [integer(1, length)]));
  return [text(1, name), integer(2, dtype), message(3, dims)];
};

/** A map is a list of messages, each with a key and a value. */
const mapEntry = (field: number, key: string, value: readonly Buffer[]): Buffer =>
  message(field, [text(1, key), message(2, value)]);

const message = (field: number, fields: readonly Buffer[]): Buffer => {
  const bytes = Buffer.concat(fields);
  return Buffer.concat([prefix(field, bytes.length), bytes]);
};

const text = (field: number, value: string): Buffer => message(field, [Buffer.from(value)]);

const integer = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)]);

/** What stands before the `length` bytes of a message or text. */
const prefix = (field: number, length: number): Buffer => Buffer.concat([varint((field << 3) | 2), varint(length)]);

/** An integer of at least 0 in bytes of seven bits, the lowest first; the eighth bit says that more follow. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
