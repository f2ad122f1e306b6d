import type { Contestant, Entrant } from './contestants.ts';

/** RAM of a process with libraries, parameters and optimizer state. */
const LOADED_BYTES = 1e9;

/** For every token, block and unit of hidden size, what steps were seen to take at most; TensorFlow keeps it for the next. */
const workingBytes = ({ runtime, mode, precision }: Contestant): number =>
  runtime === 'torch' || (mode === 'compiled' && precision === 'float32') ? 200 : 600;

function estimateBytes({ contestant, workload }: Entrant): number {
  const { tokens, batchSize, network, keepRatio } = workload;
  const [encoder, middle, decoder] = network.depth;
  const blocks = encoder + decoder + middle * keepRatio;
  return LOADED_BYTES + workingBytes(contestant) * batchSize * tokens * blocks * network.hiddenSize;
}

/** In their order, entrants that may stay loaded together: as many as fit into `freeBytes`, and at least one. */
export function splitByMemory(entrants: readonly Entrant[], freeBytes: number): Entrant[][] {
  const groups: Entrant[][] = [];
  let left = 0;
  for (const entrant of entrants) {
    const bytes = estimateBytes(entrant);
    if (groups.length > 0 && bytes <= left) {
      groups.at(-1)!.push(entrant);
    } else {
      groups.push([entrant]);
      left = freeBytes;
    }
    left -= bytes;
  }
  return groups;
}
