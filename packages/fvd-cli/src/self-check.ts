import { type Clips, type Extractor, extractFeatures, featureDistance, PROTOCOL_PRESETS } from '@eflow/fvd';

/** What the original code of FVD documents for 16 black against 16 white videos of 15 frames of 64x64. */
export const KNOWN_DISTANCE = 131;
const COUNT = 16;
const SHAPE = [15, 64, 64, 3] as const;

/** The distance of black from white videos, by the original protocol. */
export async function blackAgainstWhite(extractor: Extractor): Promise<number> {
  const flat = (value: number): Clips => ({
    data: new Uint8Array(COUNT * SHAPE.reduce((a, b) => a * b, 1)).fill(value),
    shape: [COUNT, ...SHAPE],
  });
  const [black, white] = [await extractFeatures(extractor, [flat(0)]), await extractFeatures(extractor, [flat(255)])];
  return featureDistance(black, white, PROTOCOL_PRESETS.original.covarianceRule);
}
