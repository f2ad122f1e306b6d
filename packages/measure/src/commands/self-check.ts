import { setUpIfNeeded, useTensorFlow } from '@eflow/engine';
import {
  type Extractor,
  extractFeatures,
  type FeatureSet,
  featureDistance,
  PROTOCOL_PRESETS,
  pickRows,
} from '@eflow/fvd';
import { loadExtractor } from '../extractors.ts';
import { rememberPassed } from '../self-checked.ts';

/** What the original code of FVD documents for 16 black against 16 white videos of 15 frames of 64x64. */
const KNOWN_DISTANCE = 131;
const COUNT = 16;
const SHAPE = [1, 15, 64, 64, 3] as const;

/** The distance of black from white videos, by the original protocol. Videos of one colour are all alike: one of each is looked at. */
async function blackAgainstWhite(extractor: Extractor): Promise<number> {
  const look = async (value: number): Promise<FeatureSet> => {
    const pixels = new Uint8Array(SHAPE.reduce((a: number, b) => a * b, 1)).fill(value);
    const one = await extractFeatures(extractor, [{ pixels, shape: SHAPE }]);
    return pickRows(one, Array(COUNT).fill(0));
  };
  return featureDistance(await look(0), await look(255), PROTOCOL_PRESETS.original.covarianceRule);
}

/** Says whether weights of I3D are those that FVD was published with, and keeps it where they are. */
export async function selfCheck({ weights }: { weights: string }): Promise<void> {
  await setUpIfNeeded();
  await useTensorFlow();
  const { resize } = PROTOCOL_PRESETS.original;
  const extractor = await loadExtractor({ name: 'i3d', weights, resize, feature: 'logits' });
  const distance = await blackAgainstWhite(extractor);
  const passes = Math.abs(distance - KNOWN_DISTANCE) < 1;
  console.log(
    `Black against white videos: ${distance.toFixed(2)}, expected about ${KNOWN_DISTANCE}: ${passes ? 'pass' : 'FAIL: these are not the weights of the original FVD'}`,
  );
  if (passes) rememberPassed(extractor);
  else process.exitCode = 1;
}
