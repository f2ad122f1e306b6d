import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { loadTree, readNpz, readSafetensors } from '@eflow/checkpoint';
import { compile, readVariables, variablesPrefix } from '@eflow/engine';
import {
  createDigitsExtractor,
  createI3DExtractor,
  createOnnxExtractor,
  digitsClassifier,
  digitsClassifierWeights,
  type Extractor,
  i3d,
  i3dParams,
  i3dStateOfVariables,
  initDigitsClassifier,
  listI3DVariables,
  type OnnxExtractorOptions,
  type ResizeSpec,
} from '@eflow/fvd';
import { createStream, disposeTree, type StateDict } from '@eflow/tensor';

/**
 * I3D with the weights that lie at `path`: a safetensors or npz file by their PyTorch names, or a TensorFlow SavedModel (its
 * folder) or checkpoint by DeepMind's. Throws if they are not those of I3D.
 */
export async function loadI3D(path: string, resize: ResizeSpec, feature: 'logits' | 'pooled'): Promise<Extractor> {
  if (/\.(pt|pth|ckpt|pkl)$/i.test(path) && !existsSync(`${path}.index`)) {
    throw new Error(
      `${path} is a pickle, which could hold code, and is not read; make it safetensors where PyTorch is: python reference/i3d.py ${path} i3d.safetensors`,
    );
  }
  const { state, file } = await readI3D(path);
  const params = i3dParams(state);
  return createI3DExtractor({ params, weightsSha256: await sha256Of(file), resize, feature, run: compile(i3d) });
}

/** The weights, and the file that holds their numbers. */
async function readI3D(path: string): Promise<{ state: StateDict; file: string }> {
  const prefix = variablesPrefix(path);
  if (prefix !== path || existsSync(`${prefix}.index`)) {
    const state = i3dStateOfVariables(await readVariables(path, listI3DVariables()));
    return { state, file: `${prefix}.data-00000-of-00001` };
  }
  return { state: path.endsWith('.npz') ? await readNpz(path) : (await readSafetensors(path)).tensors, file: path };
}

/** The moving-digits classifier, whose weights @eflow/fvd ships. */
export async function loadDigits(): Promise<Extractor> {
  const template = initDigitsClassifier(createStream(0));
  const params = await loadTree(fileURLToPath(digitsClassifierWeights), template);
  disposeTree(template);
  const sha256 = createHash('sha256').update(readFileSync(digitsClassifierWeights)).digest('hex');
  return createDigitsExtractor(params, sha256, compile(digitsClassifier));
}

/** A model of the user's own, called by the name of its file. */
export async function loadOnnx(
  file: string,
  options: Omit<OnnxExtractorOptions, 'name' | 'model'>,
): Promise<Extractor> {
  const model = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be read (${error.code}); give an .onnx file with --model`);
  });
  return createOnnxExtractor({ name: basename(file), model, ...options });
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
