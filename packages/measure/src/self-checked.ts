import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '@eflow/engine';
import { type ExtractorRecord, I3D_NAME } from '@eflow/fvd';

/** A file for each hash of weights that passed on this machine. */
const folder = () => join(cacheFolder(), 'fvd', 'self-checked');

/** Keeps that weights gave the distance that is known of those of the original FVD. */
export function rememberPassed({ weightsSha256 }: Pick<ExtractorRecord, 'weightsSha256'>): void {
  mkdirSync(folder(), { recursive: true });
  writeFileSync(join(folder(), weightsSha256), '');
}

/** Whether nothing tells that the weights of I3D are those of the original FVD: they did not pass `eflow-fvd self-check` here. */
export const areUnknown = ({ extractor, weightsSha256 }: ExtractorRecord): boolean =>
  extractor === I3D_NAME && !existsSync(join(folder(), weightsSha256));

/** The extractor of a protocol, its output and its weights, such as `I3D, logits, weights unknown (sha256 0123456789ab)`. */
export function describeExtractor(record: ExtractorRecord): string {
  const { extractor, feature, weightsSha256 } = record;
  const hash = weightsSha256.slice(0, 12);
  if (extractor !== I3D_NAME) return `${extractor}, ${feature}, weights ${hash}`;
  return `${extractor}, ${feature}, weights ${areUnknown(record) ? 'unknown' : 'that passed self-check'} (sha256 ${hash})`;
}
