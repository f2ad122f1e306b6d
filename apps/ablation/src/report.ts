import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { escapeHtml, htmlPage, htmlPicture, htmlTable } from '@eflow/cli';
import { saveFigure } from '@eflow/figures';
import { formatEvaluations, openRunFolder, readMetrics } from '@eflow/run';
import { stringify } from 'yaml';
import { drawLoss, drawQuality, drawThroughput } from './figures.ts';
import {
  type CellRecord,
  cellFolder,
  type FailedCell,
  formatEnvironment,
  isFinished,
  readRecord,
  runOf,
} from './results.ts';
import type { Cell, Study } from './study.ts';
import {
  compareQuality,
  describeSampler,
  formatCsv,
  formatMarkdown,
  groupCells,
  qualityTable,
  stabilityTable,
  trainingTable,
} from './tables.ts';

/** A cell that has ended, and its run's folder. */
interface KnownCell {
  run: string;
  record: CellRecord | FailedCell;
}

/** Writes study.json, table.md, table.csv, figures/ and report.html of the cells that have ended; returns the tables. The page stands alone: tables, figures, samples of every cell's first seed, and every cell's config and machine. */
export function writeReport(study: Study, cells: readonly Cell[], out: string): string {
  const known = cells.flatMap((cell): KnownCell[] => {
    const record = readRecord(cellFolder(out, cell));
    return record ? [{ run: runOf(cellFolder(out, cell)), record }] : [];
  });
  const records = known.map(({ record }) => record);
  const finished = known.flatMap(({ run, record }) => (isFinished(record) ? [{ run, record }] : []));
  const groups = groupCells(records);
  const quality = compareQuality(groups);
  const tables = [trainingTable(groups, study.reference), ...stabilityTable(groups), ...quality.map(qualityTable)];

  const budget = 'seconds' in study.budget ? `${study.budget.seconds} seconds` : `${study.budget.steps} steps`;
  const facts = [
    `${finished.length} of ${cells.length} cells; ${budget} of training each; ${study.seeds.length > 1 ? 'seeds' : 'seed'} ${study.seeds.join(', ')}.`,
    ...new Set(finished.map(({ record: { environment } }) => `${formatEnvironment(environment)}.`)),
  ];
  const figureCaption = [`${study.title}.`, ...facts].join('\n');
  const throughput = drawThroughput(groups, study.reference, figureCaption);
  const figures: [name: string, svg: string][] = [
    ...quality.map((one): [string, string] => [
      `quality-${one.base}-${one.protocol.numGenerated}-clips`,
      drawQuality(one, figureCaption),
    ]),
    ...(throughput ? [['throughput', throughput] as [string, string]] : []),
    ...[...new Set(finished.map(({ record }) => record.base))].map((base): [string, string] => {
      const curves = finished
        .filter(({ record }) => record.base === base)
        .map(({ run, record: { name, seed } }) => ({ name, seed, metrics: readMetrics(openRunFolder(run).folder) }));
      return [`loss-${base}`, drawLoss(base, curves, figureCaption)];
    }),
  ];

  mkdirSync(out, { recursive: true });
  const write = (file: string, text: string) => writeFileSync(join(out, file), text);
  write('study.json', `${JSON.stringify({ study, cells: records }, null, 2)}\n`);
  const text = [`# ${study.title}`, ...facts, ...tables.map(formatMarkdown)].join('\n\n');
  write('table.md', text);
  write('table.csv', formatCsv(finished.map(({ record }) => record)));
  for (const [name, svg] of figures) saveFigure(join(out, 'figures'), name, svg);
  const firsts = known.filter(
    ({ record: { base, name } }, i) =>
      known.findIndex(({ record }) => record.base === base && record.name === name) === i,
  );
  const page = [
    ...facts.map((fact) => `<p class="note">${escapeHtml(fact)}</p>`),
    ...tables.map(
      ({ caption, head, rows }) =>
        `<h2>${escapeHtml(caption.split(':')[0]!)}</h2>\n${htmlTable(head, rows, `${caption}.`)}`,
    ),
    `<h2>Figures</h2>\n${figures.map(([, svg]) => svg).join('')}`,
    '<h2>Samples</h2>\n<p class="note">Every grid moves; clip i asks for the digit i mod 10.</p>',
    ...firsts.map(renderSamples),
    '<h2>How each number was made</h2>',
    ...known.map(renderOrigin),
  ];
  write('report.html', htmlPage(study.title, page));
  return text;
}

/** The grids of each measure and number of steps, and real clips beside them. */
function renderSamples({ run, record }: KnownCell): string {
  if (!isFinished(record) || record.evaluations.length === 0) return '';
  const movie = (folder: string, grid: string, caption: string) => htmlPicture(join(run, folder, grid), caption);
  const movies = record.evaluations.flatMap((evaluation) =>
    evaluation.results.map((result) =>
      movie(
        evaluation.folder,
        result.grid,
        `${describeSampler(evaluation)}: network evaluations ${formatEvaluations(result)}`,
      ),
    ),
  );
  const { folder, real } = record.evaluations[0]!;
  const heading = escapeHtml(`${record.base}: ${record.name}, seed ${record.seed}`);
  return `<h3>${heading}</h3><div class="row">${movies.join('')}${movie(folder, real.grid, 'real held-out clips')}</div>`;
}

/** The config and the machine of a cell, and all that was measured of it, folded. */
function renderOrigin({ record }: KnownCell): string {
  const { base, name, seed, config, environment, ...measured } = record;
  const text = `# ${formatEnvironment(environment)}\n${stringify(config)}\n# Measured\n${stringify(measured)}`;
  return `<details><summary>${escapeHtml(`${base}: ${name}, seed ${seed}`)}</summary><pre>${escapeHtml(text)}</pre></details>`;
}
