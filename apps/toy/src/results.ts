import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '@eflow/cli';
import { saveFigure } from '@eflow/figures';
import type { Points } from './energy-distance.ts';
import { drawPanels, type Panel } from './figure.ts';
import { KINDS, type Kind, NUM_POINTS, NUM_STEPS, OBJECTIVES, TRAINING } from './settings.ts';

/** Smaller than other figures': there are thousands of dots. */
const PNG_ZOOM = 1.5;

/** What one objective's network comes to. */
export interface Row {
  kind: Kind;
  /** Steps of the training, and the time that they took. */
  updates: number;
  seconds: number;
  /** One for each of NUM_STEPS. */
  samples: { points: Points; energyDistance: number }[];
}

export interface Study {
  seed: number;
  weightPower: number;
  environment: Record<string, string>;
  data: Points;
  /** Energy distances to compare with: of noise that no network has seen, and of other data, which is the least to expect. */
  references: { noise: number; otherData: number };
  rows: Row[];
}

/** Writes toy.json, toy.md, toy.svg and toy.png into `folder`, which is made if need be. */
export function writeStudy(folder: string, study: Study): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'toy.json'), toJson(study));
  writeFileSync(join(folder, 'toy.md'), formatStudy(study));
  saveFigure(folder, 'toy', drawStudy(study), PNG_ZOOM);
}

/** The table of energy distances, and what they were measured by, as Markdown. */
export function formatStudy(study: Study): string {
  const head = ['objective', 'updates', 'seconds', ...NUM_STEPS.map(nameSteps)];
  const rows = study.rows.map(({ kind, updates, seconds, samples }) => [
    OBJECTIVES[kind].name,
    updates.toLocaleString('en-US'),
    seconds.toFixed(1),
    ...samples.map(({ energyDistance }) => format(energyDistance)),
  ]);
  return [
    describeStudy(study).join(' '),
    '',
    markdownTable(head, rows),
    '',
    `Untouched noise has a distance of ${format(study.references.noise)}, other data of ${format(study.references.otherData)}.`,
    '',
  ].join('\n');
}

function describeStudy({ seed, weightPower, environment }: Study): [measure: string, training: string] {
  const { batchSize, learningRate } = TRAINING;
  const byEuler = KINDS.filter((kind) => !OBJECTIVES[kind].learnsJumps).map((kind) => OBJECTIVES[kind].name);
  const where = Object.entries(environment).map(([name, value]) => `${name} ${value}`);
  return [
    `Energy distance of ${NUM_POINTS.toLocaleString('en-US')} points to as many of the data: ${byEuler.join(' and ')} by Euler steps, the others by jumps.`,
    `Updates of ${batchSize} points, learning rate ${learningRate}, weight power ${weightPower}, seed ${seed}; ${where.join(', ')}.`,
  ];
}

function drawStudy(study: Study): string {
  const data = { column: 'data', points: study.data, label: format(study.references.otherData) };
  const panels = study.rows.flatMap(({ kind, updates, samples }, i): Panel[] => {
    const row = `${OBJECTIVES[kind].name}\n${updates.toLocaleString('en-US')} updates`;
    const sampled = samples.map(({ points, energyDistance }, column) => ({
      row,
      column: nameSteps(NUM_STEPS[column]!),
      points,
      label: format(energyDistance),
    }));
    return [...sampled, ...(i === 0 ? [{ row, ...data }] : [])];
  });
  return drawPanels(panels, describeStudy(study).join('\n'));
}

function toJson({ rows, seed, weightPower, environment, references }: Study): string {
  const objectives = rows.map(({ kind, updates, seconds, samples }) => ({
    spec: { ...OBJECTIVES[kind].spec, weightPower },
    updates,
    seconds,
    energyDistance: Object.fromEntries(samples.map(({ energyDistance }, i) => [NUM_STEPS[i]!, energyDistance])),
  }));
  const settings = { seed, ...TRAINING, numPoints: NUM_POINTS };
  return `${JSON.stringify({ settings, environment, references, objectives }, undefined, 2)}\n`;
}

const format = (distance: number) => distance.toFixed(4);

const nameSteps = (count: number) => (count === 1 ? '1 step' : `${count} steps`);
