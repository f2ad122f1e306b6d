import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { loadTree, readNpz, readSafetensors } from '@eflow/checkpoint';
import { type CaptionTask, captionedDigitsTask, movingEmojiTask } from '@eflow/data';
import { compile, readVariables, variablesPrefix } from '@eflow/engine';
import {
  type CovarianceRule,
  captionedDigitsClassifierWeights,
  createDigitsExtractor,
  createFactorExtractor,
  createI3DExtractor,
  createNsfwjsExtractor,
  createOnnxExtractor,
  digitsClassifier,
  digitsClassifierWeights,
  type Extractor,
  factorClassifier,
  i3d,
  i3dParams,
  i3dStateOfVariables,
  initDigitsClassifier,
  initFactorClassifier,
  listI3DVariables,
  movingEmojiClassifierWeights,
  type OnnxExtractorOptions,
  type ResizeSpec,
} from '@eflow/fvd';
import { createStream, disposeTree, type StateDict, type Tree } from '@eflow/tensor';

export const EXTRACTOR_NAMES = ['i3d', 'digits', 'captionedDigits', 'movingEmoji', 'nsfwjs', 'onnx'] as const;
export type ExtractorName = (typeof EXTRACTOR_NAMES)[number];

/** An extractor by name, and what it needs. */
export type ExtractorSpec =
  | {
      name: 'i3d';
      /** Where they lie: a safetensors or npz file, a TensorFlow SavedModel or checkpoint. */
      weights: string;
      resize: ResizeSpec;
      /** `logits` is what FVD is of. */
      feature: 'logits' | 'pooled';
    }
  | { name: 'digits' | 'captionedDigits' | 'movingEmoji' }
  | { name: 'nsfwjs'; resize: Pick<ResizeSpec, 'rule' | 'crop'> }
  | ({
      name: 'onnx';
      /** The file of a model of the user's own, by whose name it is called. */
      model: string;
    } & Omit<OnnxExtractorOptions, 'name' | 'model'>);

type SpecOf<Name extends ExtractorName> = Extract<ExtractorSpec, { name: Name }>;

/** Loads an extractor; TensorFlow must be in use (`useTensorFlow` of @eflow/engine). Throws where its weights cannot be had or are others. */
export async function loadExtractor(spec: ExtractorSpec): Promise<Extractor> {
  switch (spec.name) {
    case 'i3d':
      return loadI3D(spec);
    case 'digits':
      return loadDigits();
    case 'captionedDigits':
      return loadFactorClassifier('captioned-digits', captionedDigitsTask, captionedDigitsClassifierWeights);
    case 'movingEmoji':
      return loadFactorClassifier('moving-emoji', movingEmojiTask, movingEmojiClassifierWeights);
    case 'nsfwjs':
      return createNsfwjsExtractor(spec.resize);
    case 'onnx':
      return loadOnnx(spec);
  }
}

/** How the covariance of the classifier's features is divided wherever it measures runs. */
export const DIGITS_COVARIANCE_RULE: CovarianceRule = 'N-1';

/**
 * I3D with the weights of a safetensors or npz file by their PyTorch names, or of a TensorFlow SavedModel (its folder) or checkpoint
 * by DeepMind's. Throws if they are not those of I3D.
 */
async function loadI3D({ weights: path, resize, feature }: SpecOf<'i3d'>): Promise<Extractor> {
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
async function loadDigits(): Promise<Extractor> {
  const { params, sha256 } = await loadShipped(digitsClassifierWeights, initDigitsClassifier(createStream(0)));
  return createDigitsExtractor(params, sha256, compile(digitsClassifier));
}

/** The classifier of a task, whose weights @eflow/fvd ships. */
async function loadFactorClassifier(data: string, { factors }: CaptionTask, weights: URL): Promise<Extractor> {
  const template = initFactorClassifier(createStream(0), { channels: 3, factors });
  const { params, sha256 } = await loadShipped(weights, template);
  return createFactorExtractor(`${data} classifier`, params, sha256, compile(factorClassifier));
}

/** Weights that a package ships, as a tree like `template`, which is disposed. */
async function loadShipped<Params extends Tree>(weights: URL, template: Params) {
  const file = fileURLToPath(weights);
  const params = await loadTree(file, template);
  disposeTree(template);
  return { params, sha256: await sha256Of(file) };
}

/** A model of the user's own, called by the name of its file. */
async function loadOnnx({ model: file, ...options }: SpecOf<'onnx'>): Promise<Extractor> {
  const model = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file} cannot be read (${error.code}); give an .onnx file with --model`);
  });
  return createOnnxExtractor({ ...options, name: basename(file), model });
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
