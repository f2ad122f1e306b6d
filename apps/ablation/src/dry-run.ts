import { formatClock, formatNumber } from '@eflow/cli';
import { setUpIfNeeded, useTensorFlow } from '@eflow/engine';
import { countStepFlops, videoDiTConfig } from '@eflow/run';
import { createStream, randomNormal, splitStream } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { estimateSeconds, planCell, readSpeeds } from './plan.ts';
import { cellFolder, isFinished, readRecord } from './results.ts';
import type { Cell, Study } from './study.ts';

/**
 * The cells with their patches, steps and seconds as text. Where the study's folder does not know a cell's speed, its step is
 * taken to be as fast as plain matrix products of as many FLOPs, and the text says so.
 */
export async function describeStudy(study: Study, cells: readonly Cell[], out: string): Promise<string> {
  const knownSpeed = readSpeeds(out);
  const isGuessed = (cell: Cell) => knownSpeed(cell) === undefined;
  const rate = cells.some(isGuessed) ? await measureRate() : Number.NaN;
  const speedOf = (cell: Cell) => knownSpeed(cell) ?? countFlops(cell, study) / rate;
  const records = cells.map((cell) => ({ cell, record: readRecord(cellFolder(out, cell)) }));
  const finished = records.flatMap(({ record }) => (isFinished(record) ? [record] : []));
  const lines: string[] = [];
  let total = 0;
  for (const cell of cells.filter(({ seed }) => seed === cells[0]?.seed)) {
    const stepSeconds = speedOf(cell);
    const plan = planCell(cell, study.budget, stepSeconds);
    const seconds = estimateSeconds(plan, finished) ?? 0;
    const seeds = records.filter((other) => other.cell.base === cell.base && other.cell.name === cell.name);
    const waiting = seeds.filter(({ record }) => !isFinished(record)).map((other) => other.cell.seed);
    total += seconds * waiting.length;
    const { steps } = plan.config.training;
    const [upTo, atLeast] = isGuessed(cell) ? ['up to ', 'at least '] : ['', ''];
    const count = `${'seconds' in study.budget ? upTo : ''}${steps}`;
    const time = `${'steps' in study.budget ? atLeast : ''}${formatClock(seconds)}`;
    lines.push(
      `${cell.base} ${cell.name}: ${count} steps of ${atLeast}${formatNumber(1000 * stepSeconds)} ms, ${time} for each seed; to run: ${waiting.join(', ') || 'none'}`,
      ...cell.overrides.map((override) => `    ${override}`),
      ...cell.measures.map((measure) => `    measured with ${JSON.stringify(measure)}`),
    );
  }
  const hasMeasures = cells.some(({ measures }) => measures.length > 0);
  const left = hasMeasures && finished.length === 0 ? ', and what measuring takes' : '';
  return [
    ...lines,
    `${formatClock(total)} in all${left}`,
    ...(Number.isNaN(rate)
      ? []
      : [
          `'At least' is an estimate, and no step was made: a step's FLOPs at the rate of plain matrix products, ${formatNumber(rate / 1e9)} GFLOP/s just now.`,
          'Real steps take longer, those of small networks several times as long. A study in seconds measures them before it plans by them.',
        ]),
  ].join('\n');
}

function countFlops(cell: Cell, { budget }: Study): number {
  const { config } = planCell(cell, budget);
  return countStepFlops(config, videoDiTConfig(config));
}

/** Rows and columns: 2 GFLOP, enough for the full rate. */
const SIZE = 1024;
const SECONDS = 1;

/** FLOP/s of plain matrix products on TensorFlow: of the fastest in one second. */
async function measureRate(): Promise<number> {
  await setUpIfNeeded();
  await useTensorFlow();
  const [a, b] = ['a', 'b'].map((name) => randomNormal(splitStream(createStream(0), name), [SIZE, SIZE]));
  let fastest = Number.POSITIVE_INFINITY;
  const start = performance.now();
  do {
    const before = performance.now();
    tf.matMul(a!, b!).dispose();
    fastest = Math.min(fastest, (performance.now() - before) / 1000);
  } while (performance.now() - start < 1000 * SECONDS);
  tf.dispose([a, b]);
  return (2 * SIZE ** 3) / fastest;
}
