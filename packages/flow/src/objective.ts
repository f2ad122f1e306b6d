import { type RandomStream, stopGradient } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Draws } from './draws.ts';
import type { Condition, Network, NetworkInput } from './network.ts';
import { concatRows } from './rows.ts';
import type { SolutionMap } from './solution-map.ts';

/**
 * What training minimises. All that is random is drawn first, so that `loss` is a pure function; what changes over a run is
 * in the schedule. `createObjective` makes one.
 */
export interface Objective {
  /** The form of the solution map that N is for. */
  map: SolutionMap;
  /** The schedule's values after this share of the training, in [0, 1]. */
  scheduleAt(progress: number): ObjectiveSchedule<number>;
  /**
   * Whether rows train jumps after this share of the training, in [0, 1]; before, all train the velocity. Absent for an objective that is
   * one and the same from the first step on.
   */
  trainsJumpsAt?(progress: number): boolean;
  /**
   * Draws what `loss` needs for data of `shape` [B, ...]; jumps' times unless `trainsJumps` is false. The caller owns the tensors.
   */
  draw(stream: RandomStream, shape: readonly number[], schedule: ObjectiveSchedule, trainsJumps?: boolean): Draws;
  /**
   * The loss of one batch; the caller owns its tensors. Throws on a time outside [0, 1] and unless s < t in the draws, where
   * values can be read. `networks.weak` is called by path-drop guidance alone.
   */
  loss(networks: Networks, batch: ObjectiveBatch, draws: Draws, schedule: ObjectiveSchedule): ObjectiveLoss;
}

/**
 * What changes while training: numbers, or scalars where a function is compiled, as a number would be fixed in its graph.
 * Objectives that have no use for one leave it aside.
 */
export type ObjectiveSchedule<Value = number | tf.Scalar> = {
  /** Distance of t and l as a share of that of t and s, in (0, 1]. */
  intervalRatio: Value;
  /**
   * omega >= 1, the largest where it is drawn from a range. The number 1 is no guidance, and costs none; a scalar is computed with
   * whatever it is.
   */
  guidanceScale: Value;
};

/** The network, and its weak path: encoder and decoder alone, which path-drop guidance takes for its reference. */
export interface Networks {
  strong: Network;
  weak: Network;
}

export type ObjectiveBatch = {
  /** x_0, [B, ...]. */
  data: tf.Tensor;
  /** c, every leaf [B, ...]. */
  condition: Condition;
  /** What stands for "no condition": the leaves of `condition`, of the same shapes and dtypes. */
  nullCondition: Condition;
  /** The token-drop draw that all strong passes on a row share, [B, K] int32; absent: no drop. */
  keptTokens?: tf.Tensor;
};

export type ObjectiveLoss = {
  /** To be differentiated: the mean of `lossPerExample`. */
  loss: tf.Scalar;
  /** [B]: rows that train the velocity first, then the others. */
  lossPerExample: tf.Tensor1D;
  /** For the log: the plain mean square of each residual that the objective has, over its rows, off the tape; by its name. */
  terms: { velocityLoss: tf.Scalar; [term: string]: tf.Scalar };
  /** The network passes that it took. */
  passes: Pass[];
};

/** One call of a network. */
export type Pass = {
  network: keyof Networks;
  /** Whether the loss is differentiated through it. */
  gradient: boolean;
  /** Examples in it: of the batch, or of a part of it, or of a part twice. */
  rows: number;
};

/** The networks with every call noted: `trained` on the tape, the others off it. */
export function recordPasses(networks: Networks): { passes: Pass[]; trained: Network; strong: Network; weak: Network } {
  const passes: Pass[] = [];
  const call = (network: keyof Networks, gradient: boolean, input: NetworkInput) => {
    passes.push({ network, gradient, rows: input.noisy.shape[0]! });
    return networks[network](input);
  };
  return {
    passes,
    trained: (input) => call('strong', true, input),
    strong: (input) => stopGradient(() => call('strong', false, input)),
    weak: (input) => stopGradient(() => call('weak', false, input)),
  };
}

/**
 * Calls of one network that do not wait for each other, made as one on the sum of their rows; the outputs by the names of the
 * inputs. An input that is undefined is no call, and has no output.
 */
export function callTogether<Inputs extends Record<string, NetworkInput | undefined>>(
  network: Network,
  inputs: Inputs,
) {
  const names = Object.keys(inputs).filter((name) => inputs[name]);
  const calls = names.map((name) => inputs[name]!);
  const rows = calls.map(({ noisy }) => noisy.shape[0]!);
  const outputs = calls.length < 2 ? calls.map(network) : tf.split(network(concatRows('callTogether', calls)), rows);
  return Object.fromEntries(names.map((name, i) => [name, outputs[i]])) as {
    [Name in keyof Inputs]: Inputs[Name] extends NetworkInput ? tf.Tensor : tf.Tensor | undefined;
  };
}

/** An objective's loss from its value per example; `terms` are residuals' mean squares. */
export function finishLoss(lossPerExample: tf.Tensor1D, terms: ObjectiveLoss['terms'], passes: Pass[]): ObjectiveLoss {
  return { loss: tf.mean(lossPerExample), lossPerExample, terms, passes };
}
