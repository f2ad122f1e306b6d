import {
  type Extractor,
  extractFeatures,
  type FeatureSet,
  featureDistance,
  PROTOCOL_PRESETS,
  pickRows,
} from '@eflow/fvd';

/** What the original code of FVD documents for 16 black against 16 white videos of 15 frames of 64x64. */
export const KNOWN_DISTANCE = 131;
const COUNT = 16;
const SHAPE = [1, 15, 64, 64, 3] as const;

/** The distance of black from white videos, by the original protocol. Videos of one colour are all alike: one of each is looked at. */
export async function blackAgainstWhite(extractor: Extractor): Promise<number> {
  const look = async (value: number): Promise<FeatureSet> => {
    const data = new Uint8Array(SHAPE.reduce((a: number, b) => a * b, 1)).fill(value);
    const one = await extractFeatures(extractor, [{ data, shape: SHAPE }]);
    return pickRows(one, Array(COUNT).fill(0));
  };
  return featureDistance(await look(0), await look(255), PROTOCOL_PRESETS.original.covarianceRule);
}
