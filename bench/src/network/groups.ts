import type { VideoDiTConfig } from '@eflow/video-dit';
import { createSpec, type Kind, TORCH_KINDS } from '../attention/workload.ts';
import type { Group } from './benchmark.ts';
import type { Contestant, Entrant } from './contestants.ts';
import { createWorkload, type Depth, type Run } from './workload.ts';

/** All of a network but its attention. */
export type Size = Omit<VideoDiTConfig, 'attention'>;

export type Checkpoint = NonNullable<VideoDiTConfig['checkpoint']>;

/** What is measured. */
export interface Selection {
  /** Tokens of a clip, before any are dropped. */
  tokens: readonly number[];
  attention: readonly Kind[];
  /** Shares of tokens that the middle sees, from the largest down. */
  keep: readonly number[];
  /** Where PyTorch takes part. */
  peerAttention: readonly Kind[];
  peerKeep: readonly number[];
  /** What each contestant does, as far as it has it. */
  runs: readonly Run[];
  contestants: readonly Contestant[];
  size: Size;
}

/** Tokens per side of windows. */
export const WINDOW_SIZE = 64;

/** Blocks of the network whose memory is measured. */
export const MEMORY_DEPTH: Depth = [2, 8, 2];

/** The paper's backbone and the one that it is compared with stand side by side, the others each for itself. */
const BACKBONES: readonly Kind[] = ['softmax', 'glga'];

/** For each number of tokens, kind after kind: everyone at every keep ratio takes turns. */
export const createGroups = (selection: Selection): Group[] =>
  selection.tokens.flatMap((tokens) => {
    const { attention } = selection;
    const backbones = attention.filter((kind) => BACKBONES.includes(kind));
    const others = attention.filter((kind) => !BACKBONES.includes(kind)).map((kind) => [kind]);
    return [backbones, ...others].flatMap((together) => {
      const entrants = createEntrants(selection, tokens, together);
      return entrants.length === 0 ? [] : [{ title: `${tokens} tokens, ${together.join(' and ')}`, entrants }];
    });
  });

function createEntrants(selection: Selection, tokens: number, kinds: readonly Kind[]): Entrant[] {
  const workloads = kinds.flatMap((kind) =>
    selection.keep.map((keepRatio) => {
      const attention = createSpec(kind, { windowSize: WINDOW_SIZE });
      return createWorkload(tokens, { ...selection.size, attention }, keepRatio);
    }),
  );
  return selection.contestants.flatMap((contestant) =>
    workloads.flatMap((workload): Entrant[] => {
      const { keepRatio, network } = workload;
      const { kind } = network.attention;
      const takesPart = contestant.runtime === 'tensorflow' || hasPeer(selection, kind, keepRatio);
      // The weak path sees nothing of the middle's tokens: measured once, beside the pass that sees them all.
      const runs = selection.runs.filter((run) => run !== 'weak' || keepRatio === 1);
      const name = workloads.length > 1 ? `, ${nameNetwork(kind, keepRatio)}` : '';
      const label = contestant.label + name;
      return takesPart ? [{ label, contestant, workload, runs }] : [];
    }),
  );
}

const hasPeer = ({ peerAttention, peerKeep }: Selection, kind: Kind, keepRatio: number) =>
  TORCH_KINDS.includes(kind) && peerAttention.includes(kind) && peerKeep.includes(keepRatio);

/** Steps of one deeper network that keeps all activations for the gradient, or that runs its blocks again. */
export function createMemoryGroup(
  { tokens, attention: kinds, contestants, size }: Selection,
  checkpoints: readonly Checkpoint[],
): Group | undefined {
  const contestant = contestants.find(({ name }) => name === 'compiled');
  if (!contestant || checkpoints.length === 0) return undefined;
  const kind = kinds.find((candidate) => candidate === 'glga') ?? kinds[0]!;
  const longest = Math.max(...tokens);
  const attention = createSpec(kind, { windowSize: WINDOW_SIZE });
  const entrants = checkpoints.map((checkpoint): Entrant => {
    const network = { ...size, depth: MEMORY_DEPTH, attention, checkpoint };
    return {
      label: CHECKPOINT_NAMES[checkpoint],
      contestant,
      workload: createWorkload(longest, network),
      runs: ['step'],
    };
  });
  return { title: `memory of a step, ${longest} tokens, ${kind}`, entrants };
}

/** For people. */
const CHECKPOINT_NAMES: Readonly<Record<Checkpoint, string>> = {
  none: 'all activations kept',
  blocks: 'blocks run again',
};

/** An attention, and how many of the middle's tokens are dropped. */
export function nameNetwork(kind: Kind, keepRatio: number): string {
  return keepRatio === 1 ? kind : `${kind}, ${dropped(keepRatio)}`;
}

/** For people: 0.125 are '87.5 % dropped'. */
export const dropped = (keepRatio: number): string => `${Number((100 * (1 - keepRatio)).toFixed(1))} % dropped`;
