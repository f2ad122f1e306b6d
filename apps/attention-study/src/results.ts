import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Measures } from './measures.ts';
import type { Kind, Settings } from './settings.ts';

/** One network of the study. */
export interface Cell extends Measures {
  kind: Kind;
  rate: number;
  seconds: number;
  settings: Settings;
}

const JOURNAL = 'cells.jsonl';

/**
 * Cells that an earlier run in this folder has finished; a last line that was cut off is left out. Throws if they are of
 * other settings.
 */
export function readCells(folder: string, settings: Settings): Cell[] {
  const file = join(folder, JOURNAL);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const cells = lines.map((line) => JSON.parse(line, (_, value) => value ?? Number.NaN) as Cell);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  const other = cells.find((cell) => JSON.stringify(cell.settings) !== JSON.stringify(settings));
  if (other) {
    throw new Error(
      `${file} holds cells of ${JSON.stringify(other.settings)}, not of ${JSON.stringify(settings)}; give another folder with --out`,
    );
  }
  return cells;
}

/** Keeps a finished cell, so that a run that is ended goes on after it. */
export function appendCell(folder: string, cell: Cell): void {
  mkdirSync(folder, { recursive: true });
  appendFileSync(join(folder, JOURNAL), `${JSON.stringify(cell)}\n`);
}

/** Writes the study as study.json and study.md. NaN and infinity are null in JSON. */
export function writeStudy(folder: string, cells: Cell[], environment: Record<string, string>): void {
  const { settings } = cells[0]!;
  writeFileSync(join(folder, 'study.json'), `${JSON.stringify({ settings, environment, cells }, undefined, 2)}\n`);
  writeFileSync(join(folder, 'study.md'), formatStudy(cells, environment));
}

export function formatStudy(cells: Cell[], environment: Record<string, string>): string {
  const { steps, batchSize, learningRate, seed } = cells[0]!.settings;
  const where = Object.entries(environment).map(([name, value]) => `${name} ${value}`);
  const rows = cells.map((cell) => [
    cell.kind,
    `${Math.round(100 * cell.rate)} %`,
    cell.loss.toFixed(4),
    cell.lossSpread.toFixed(4),
    cell.medianGradNorm.toPrecision(3),
    cell.largestGradNorm.toPrecision(3),
    cell.largestLateGradNorm.toPrecision(3),
    String(cell.spikes),
    String(cell.nonFinite),
    cell.seconds.toFixed(1),
  ]);
  const head = [
    ...['attention', 'dropped', 'loss, last 50 steps', 'its spread', 'median gradient', 'largest gradient'],
    ...['largest in the second half', 'spikes over 10x', 'not finite', 'seconds'],
  ];
  const line = (row: string[]) => `| ${row.join(' | ')} |`;
  return [
    `${steps} steps of ${batchSize} clips, learning rate ${learningRate}, seed ${seed}; ${where.join(', ')}.`,
    '',
    line(head),
    line(head.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(line),
    '',
  ].join('\n');
}
