import { type RandomStream, randomNormal, randomUniform, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type LogitNormal, type SolutionTimes, sampleLogitNormal, sampleSolutionTimes } from './time-sampler.ts';

/** How a batch is split and what is drawn for it. */
export interface DrawOptions {
  /** Share of the rows that train the velocity; the rest trains the solution map. */
  velocityRatio: number;
  /** Probability that a row loses its condition. */
  classDropoutProb: number;
  /** Probability that a velocity row trains the weak path: its middle blocks are skipped. */
  pathDropProb: number;
  /** t of the velocity rows. */
  velocityTime: LogitNormal;
  /** t of the solution rows. */
  solutionTime: LogitNormal;
  /** s of the solution rows. */
  targetTime: LogitNormal;
}

/** All that is random in one loss, so that a loss is a pure function. Rows: first velocity rows, then solution rows. */
export interface EflowDraws {
  /** x_1, [B, ...]. */
  noise: tf.Tensor;
  /** t of the velocity rows, [V]. */
  velocityTimestep: tf.Tensor;
  /** Times of the solution rows, [S] each. */
  solution: SolutionTimes;
  /** [B] bool. */
  conditionDropped: tf.Tensor;
  /** [B] bool, false in the solution rows. */
  pathDropped: tf.Tensor;
}

/** Rows of each kind in a batch. Throws if either has none. */
export function splitRows(batchSize: number, velocityRatio: number): { velocityRows: number; solutionRows: number } {
  const velocityRows = Math.round(batchSize * velocityRatio);
  const solutionRows = batchSize - velocityRows;
  if (velocityRows < 1 || solutionRows < 1) {
    throw new Error(
      `splitRows: a batch of ${batchSize} with velocityRatio ${velocityRatio} has ${velocityRows} velocity rows and ${solutionRows} solution rows; ` +
        'expected at least one of each: take a larger batch or another ratio',
    );
  }
  return { velocityRows, solutionRows };
}

/**
 * Draws what `eflowLoss` needs for data of `shape` [B, ...]. `ratio` is the distance of t and l as a share of that of t
 * and s, which `intervalRatio` gives; a scalar in compiled functions, where a number would be fixed. The caller owns the
 * tensors.
 */
export function drawEflow(
  stream: RandomStream,
  shape: number[],
  ratio: number | tf.Scalar,
  options: DrawOptions,
): EflowDraws {
  const batchSize = shape[0]!;
  const { velocityRows, solutionRows } = splitRows(batchSize, options.velocityRatio);
  const happens = (label: string, rows: number, probability: number) =>
    tf.less(randomUniform(splitStream(stream, label), [rows]), probability);
  return tf.tidy(() => ({
    noise: randomNormal(splitStream(stream, 'noise'), shape),
    velocityTimestep: sampleLogitNormal(splitStream(stream, 'velocityTimestep'), velocityRows, options.velocityTime),
    solution: sampleSolutionTimes(splitStream(stream, 'solution'), solutionRows, {
      time: options.solutionTime,
      targetTime: options.targetTime,
      ratio,
    }),
    conditionDropped: happens('conditionDropped', batchSize, options.classDropoutProb),
    pathDropped: tf.concat([
      happens('pathDropped', velocityRows, options.pathDropProb),
      tf.zeros([solutionRows], 'bool'),
    ]),
  }));
}
