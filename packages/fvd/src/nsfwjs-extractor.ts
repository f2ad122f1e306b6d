import * as tf from '@tensorflow/tfjs-core';
import type { Extractor } from './extractor.ts';
import { fitFrames } from './i3d-extractor.ts';
import { meanOver } from './mean-over.ts';
import type { ResizeSpec } from './protocol.ts';
import { sha256Of } from './sha256.ts';

/** Height and width of the frames that the network takes, in pixels. */
const SIDE = 224;
/** Node of the graph that feeds the last layer, which tells five classes apart. */
const FEATURE = 'feature_vector/SpatialSqueeze';
const NUM_FEATURES = 1792;

/**
 * The features of MobileNet v2 (width 1.4, arXiv 1801.04381), trained on images and then to find what is not safe for work, from
 * the optional package nsfwjs, which ships its weights: a CNN that is there without a download. It sees RGB frames one by one,
 * stretched or cut to 224x224; a clip's features are the mean of its frames'. Its distances bear its name, and are never
 * FVD: they see nothing of motion. Throws, with the way to install them, without nsfwjs and @tensorflow/tfjs-converter.
 */
export async function createNsfwjsExtractor({ rule, crop }: Pick<ResizeSpec, 'rule' | 'crop'>): Promise<Extractor> {
  const { definition, loadGraphModel } = await loadPackages();
  const { default: model } = await definition.modelJson();
  const bundles = await Promise.all(definition.weightBundles.map((load) => load()));
  const weights = await new Blob(bundles.map(({ default: base64 }) => decode(base64))).arrayBuffer();
  const network = await loadGraphModel({
    load: async () => ({
      modelTopology: model.modelTopology,
      weightSpecs: model.weightsManifest.flatMap(({ weights }) => weights),
      weightData: weights,
    }),
  });
  const resize: ResizeSpec = { rule, crop, height: SIDE, width: SIDE };
  const { node } = model.modelTopology as { node: { name: string }[] };
  const output = node.find(({ name }) => name.endsWith(FEATURE))!.name;
  return {
    name: 'MobileNet v2 of nsfwjs, frame by frame',
    weightsSha256: await sha256Of(new Uint8Array(weights)),
    feature: FEATURE,
    numFeatures: NUM_FEATURES,
    resize,
    minFrames: 1,
    channels: 3,
    async extract({ pixels, shape }) {
      const [B, F] = shape;
      const features = tf.tidy(() => {
        const clips = fitFrames(tf.tensor(pixels, [...shape], 'float32') as tf.Tensor5D, resize);
        const frames = tf.reshape(tf.div(tf.add(clips, 1), 2), [B * F, SIDE, SIDE, 3]);
        return network.execute(frames, output) as tf.Tensor;
      });
      try {
        return { features: meanOver(await features.data<'float32'>(), B, NUM_FEATURES) };
      } finally {
        features.dispose();
      }
    },
  };
}

async function loadPackages() {
  try {
    const { MobileNetV2MidModel } = await import('nsfwjs/models/mobilenet_v2_mid');
    const { loadGraphModel } = await import('@tensorflow/tfjs-converter');
    return { definition: MobileNetV2MidModel, loadGraphModel };
  } catch (cause) {
    throw new Error(
      'features of nsfwjs need two optional packages: npm install nsfwjs @tensorflow/tfjs-converter@4.22.0',
      { cause },
    );
  }
}

const decode = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
