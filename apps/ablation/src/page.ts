import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; }
caption, .note { color: #52606d; font-size: .9rem; text-align: left; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #d9e2ec; text-align: left; }
.row { display: flex; flex-wrap: wrap; gap: 1.2rem; } figure { margin: 0; } figcaption { color: #52606d; font-size: .85rem; }
img { image-rendering: pixelated; display: block; } pre { background: #f5f7fa; padding: .8rem; overflow: auto; font-size: .8rem; }`;

/** A page that stands alone: tables, figures, samples of every cell's first seed, and every cell's config and machine. */
export function renderPage({ title, facts, tables, figures, cells }: Page): string {
  const firsts = cells.filter(
    ({ record: { base, name } }, i) =>
      cells.findIndex(({ record }) => record.base === base && record.name === name) === i,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
${facts.map((fact) => `<p class="note">${escapeHtml(fact)}</p>`).join('\n')}
${tables.map(renderTable).join('\n')}
<h2>Figures</h2>
${figures.join('')}
<h2>Samples</h2>
<p class="note">Every grid moves; clip i asks for the digit i mod 10.</p>
${firsts.map(renderSamples).join('\n')}
<h2>How each number was made</h2>
${cells.map(renderOrigin).join('\n')}
</body></html>
`;
}

const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function renderTable({ caption, head, rows }: Table): string {
  const row = (cells: string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${escapeHtml(caption.split(':')[0]!)}</h2>
<table><caption>${escapeHtml(caption)}.</caption>${row(head, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`;
}

/** The grids of each measure and number of steps, and real clips beside them. */
function renderSamples({ run, record }: Page['cells'][number]): string {
  if (!isFinished(record) || record.evaluations.length === 0) return '';
  const movie = (folder: string, grid: string, caption: string) =>
    `<figure><img alt="${escapeHtml(caption)}" src="data:image/webp;base64,${readFileSync(join(run, folder, grid)).toString('base64')}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
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
