import { nativeBinding } from './compile/binding.ts';
import { useTensorFlow } from './use-tensorflow.ts';

/** Writes curves and images for TensorBoard. */
export interface SummaryWriter {
  /** Adds the point (step, value) to the curve `name`. Throws unless step is a non-negative integer. */
  scalar(name: string, value: number, step: number): void;
  /** Adds a picture, the bytes of a PNG file, to those of `name`. Throws as `scalar` does, and unless it is a PNG. */
  image(name: string, png: Uint8Array, step: number): void;
  /** Writes what is buffered to the disk; otherwise that happens every two minutes, and every ten points. */
  flush(): void;
}

/** A writer of TensorBoard event files in `folder`, which is made if needed. Sets the engine up as the backend. */
export async function createSummaryWriter(folder: string): Promise<SummaryWriter> {
  await useTensorFlow();
  const { summaryFileWriter } = await import('./tfjs-node.ts');
  const writer = summaryFileWriter(folder);
  return {
    scalar(name, value, step) {
      checkStep(name, step);
      writer.scalar(name, value, step);
    },
    image(name, png, step) {
      checkStep(name, step);
      writeImage(folder, name, png, step);
    },
    flush: () => writer.flush(),
  };
}

function checkStep(name: string, step: number): void {
  if (Number.isSafeInteger(step) && step >= 0) return;
  throw new Error(`createSummaryWriter: step of ${name} is ${step}; expected an integer from 0`);
}

/** The `SummaryMetadata` message that names TensorBoard's plugin of images: its field 1, whose field 1 is the name. */
const IMAGES = Buffer.from('\n\x08\n\x06images');

/** Writes what TensorFlow's `tf.summary.image` does, a tensor of width, height and file. TensorFlow.js has no writer of images. */
function writeImage(folder: string, name: string, png: Uint8Array, step: number): void {
  const binding = nativeBinding();
  const { TF_STRING, TF_ATTR_STRING } = binding;
  const texts = (shape: number[], values: Uint8Array[]) => binding.createTensor(shape, TF_STRING, values);
  const attributes = [
    { name: 'shared_name', type: TF_ATTR_STRING, value: `logdir:${folder}` }, // as TensorFlow.js names the folder's writer
    { name: 'container', type: TF_ATTR_STRING, value: '' },
  ];
  const inputs = [
    binding.executeOp('SummaryWriter', attributes, [], 1)[0]!.id,
    binding.createTensor([], binding.TF_INT64, new Int32Array(BigInt64Array.of(BigInt(step)).buffer)),
    texts([3], [...sizeOfPng(name, png).map((size) => Buffer.from(String(size))), png]),
    texts([], [Buffer.from(name)]),
    texts([], [IMAGES]),
  ];
  binding.executeOp('WriteSummary', [{ name: 'T', type: binding.TF_ATTR_TYPE, value: TF_STRING }], inputs, 0);
  for (const id of inputs) binding.deleteTensor(id);
}

/** Width and height, from the header, which is first in every PNG. */
function sizeOfPng(name: string, png: Uint8Array): [width: number, height: number] {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  if (bytes.length < 24 || bytes.toString('latin1', 1, 4) !== 'PNG') {
    throw new Error(`createSummaryWriter: the image of ${name} is no PNG: give the bytes of a PNG file`);
  }
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}
