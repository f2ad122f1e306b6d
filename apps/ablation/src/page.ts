import { join } from 'node:path';
import { escapeHtml, htmlPage, htmlPicture, htmlTable } from '@eflow/cli';
import { formatEvaluations } from '@eflow/run';
import { stringify } from 'yaml';
import { formatEnvironment } from './format.ts';
import { type CellRecord, type FailedCell, isFinished } from './results.ts';
import { describeSampler, type Table } from './tables.ts';

export interface Page {
  title: string;
  /** Lines below the title. */
  facts: readonly string[];
  tables: readonly Table[];
  /** SVG. */
  figures: readonly string[];
  cells: readonly { run: string; record: CellRecord | FailedCell }[];
}

/** A page that stands alone: tables, figures, samples of every cell's first seed, and every cell's config and machine. */
export function renderPage({ title, facts, tables, figures, cells }: Page): string {
  const firsts = cells.filter(
    ({ record: { base, name } }, i) =>
      cells.findIndex(({ record }) => record.base === base && record.name === name) === i,
  );
  return htmlPage(title, [
    ...facts.map((fact) => `<p class="note">${escapeHtml(fact)}</p>`),
    ...tables.map(
      ({ caption, head, rows }) =>
        `<h2>${escapeHtml(caption.split(':')[0]!)}</h2>\n${htmlTable(head, rows, `${caption}.`)}`,
    ),
    `<h2>Figures</h2>\n${figures.join('')}`,
    '<h2>Samples</h2>\n<p class="note">Every grid moves; clip i asks for the digit i mod 10.</p>',
    ...firsts.map(renderSamples),
    '<h2>How each number was made</h2>',
    ...cells.map(renderOrigin),
  ]);
}

/** The grids of each measure and number of steps, and real clips beside them. */
function renderSamples({ run, record }: Page['cells'][number]): string {
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
function renderOrigin({ record }: Page['cells'][number]): string {
  const { base, name, seed, config, environment, ...measured } = record;
  const text = `# ${formatEnvironment(environment)}\n${stringify(config)}\n# Measured\n${stringify(measured)}`;
  return `<details><summary>${escapeHtml(`${base}: ${name}, seed ${seed}`)}</summary><pre>${escapeHtml(text)}</pre></details>`;
}
