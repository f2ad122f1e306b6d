import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveFigure } from '@eflow/figures';
import { openRunFolder, readMetrics } from '@eflow/run';
import { drawLoss, drawQuality, drawThroughput } from './figures.ts';
import { formatEnvironment } from './format.ts';
import { renderPage } from './page.ts';
import { cellFolder, isFinished, readRecord, runOf } from './results.ts';
import type { Cell, Study } from './study.ts';
import {
  compareQuality,
  formatCsv,
  formatMarkdown,
  groupCells,
  qualityTable,
  stabilityTable,
  trainingTable,
} from './tables.ts';

/** Writes study.json, table.md, table.csv, figures/ and report.html of the cells that have ended; returns the tables. */
export function writeReport(study: Study, cells: readonly Cell[], out: string): string {
  const known = cells.flatMap((cell) => {
    const record = readRecord(cellFolder(out, cell));
    return record ? [{ run: runOf(cellFolder(out, cell)), record }] : [];
  });
  const records = known.map(({ record }) => record);
  const finished = known.flatMap(({ run, record }) => (isFinished(record) ? [{ run, record }] : []));
  const groups = groupCells(records);
  const quality = compareQuality(groups);
  const tables = [trainingTable(groups, study.reference), stabilityTable(groups), ...quality.map(qualityTable)];

  const budget = 'seconds' in study.budget ? `${study.budget.seconds} seconds` : `${study.budget.steps} steps`;
  const facts = [
    `${finished.length} of ${cells.length} cells; ${budget} of training each; ${study.seeds.length > 1 ? 'seeds' : 'seed'} ${study.seeds.join(', ')}.`,
    ...new Set(finished.map(({ record: { environment } }) => `${formatEnvironment(environment)}.`)),
  ];
  const caption = [`${study.title}.`, ...facts].join('\n');
  const throughput = drawThroughput(groups, study.reference, caption);
  const figures: [name: string, svg: string][] = [
    ...quality.map((one): [string, string] => [
      `quality-${one.base}-${one.protocol.numGenerated}-clips`,
      drawQuality(one, caption),
    ]),
    ...(throughput ? [['throughput', throughput] as [string, string]] : []),
    ...[...new Set(finished.map(({ record }) => record.base))].map((base): [string, string] => {
      const curves = finished
        .filter(({ record }) => record.base === base)
        .map(({ run, record: { name, seed } }) => ({ name, seed, metrics: readMetrics(openRunFolder(run).folder) }));
      return [`loss-${base}`, drawLoss(base, curves, caption)];
    }),
  ];

  mkdirSync(out, { recursive: true });
  const write = (file: string, text: string) => writeFileSync(join(out, file), text);
  write('study.json', `${JSON.stringify({ study, cells: records }, null, 2)}\n`);
  const text = [`# ${study.title}`, ...facts, ...tables.map(formatMarkdown)].join('\n\n');
  write('table.md', text);
  write('table.csv', formatCsv(finished.map(({ record }) => record)));
  for (const [name, svg] of figures) saveFigure(join(out, 'figures'), name, svg);
  write(
    'report.html',
    renderPage({ title: study.title, facts, tables, figures: figures.map(([, svg]) => svg), cells: known }),
  );
  return text;
}
