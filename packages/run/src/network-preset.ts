import { VIDEO_DIT_PRESETS } from '@eflow/video-dit';
import { closest } from 'fastest-levenshtein';

/** A preset's keys of a config's `network`, which the caller owns. Throws, naming the nearest, unless there is such a preset. */
export function networkPreset(name: unknown): Record<string, unknown> {
  const preset = Object.entries(VIDEO_DIT_PRESETS).find(([known]) => known === name)?.[1];
  if (preset) return structuredClone<Record<string, unknown>>({ ...preset });
  const names = Object.keys(VIDEO_DIT_PRESETS);
  const lowerCase = names.map((known) => known.toLowerCase());
  const nearest = names[lowerCase.indexOf(closest(String(name).toLowerCase(), lowerCase))];
  throw new Error(`network.preset is ${JSON.stringify(name)}; did you mean '${nearest}'? Presets: ${names.join(', ')}`);
}
