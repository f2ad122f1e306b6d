import type { VideoDiTParams } from '@eflow/video-dit';
import { relativeError } from './errors.ts';
import { clips, type Measure, measures, type NetworkCase } from './networks.ts';
import { read } from './read.ts';

/** What each measure gives of each clip: the values of its tensors. */
export type Outputs = Record<Measure, number[][][]>;

/** What a measure gives of each clip on the backend that is set. Throws what the backend throws. */
export async function runNetwork(
  measure: Measure,
  { config }: NetworkCase,
  params: VideoDiTParams,
): Promise<number[][][]> {
  const outputs: number[][][] = [];
  for (const clip of clips) outputs.push(await read(() => measures[measure](params, config, clip)));
  return outputs;
}

/** How far a measure is from what is expected of it, the worst of all clips and tensors. Throws what the backend throws. */
export async function networkError(
  measure: Measure,
  network: NetworkCase,
  params: VideoDiTParams,
  expected: Outputs,
): Promise<number> {
  const actual = await runNetwork(measure, network, params);
  const errors = expected[measure].flatMap((tensors, clip) =>
    tensors.map((values, i) => relativeError(actual[clip]![i]!, values)),
  );
  return Math.max(...errors);
}
