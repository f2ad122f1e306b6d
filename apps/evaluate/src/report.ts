import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatEvaluations, type RunConfig, type StepMetrics } from '@eflow/run';
import { stringify } from 'yaml';
import { distanceChart, lossCharts } from './charts.ts';
import { comparedSteps, type Evaluation } from './evaluation.ts';
import { COLUMNS, describeAge, tableRows } from './table.ts';

const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } th, td { padding: .3rem .8rem; border-bottom: 1px solid #d9e2ec; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr:last-child td { color: #15803d; }
.row { display: flex; flex-wrap: wrap; gap: 1.2rem; } figure { margin: 0; } figcaption { color: #52606d; font-size: .9rem; }
img { image-rendering: pixelated; display: block; } pre { background: #f5f7fa; padding: .8rem; overflow: auto; font-size: .85rem; }
.note { color: #52606d; font-size: .9rem; max-width: 46rem; }`;

/** A page that stands alone: the table, the moving grids, the curves, the config. `folder` holds the grids. */
export function renderReport(
  folder: string,
  config: RunConfig,
  metrics: StepMetrics[],
  evaluation: Evaluation,
): string {
  const { protocol, results, real } = evaluation;
  const last = results.at(-1)!;
  const movie = (grid: string, caption: string) =>
    `<figure><img alt="${escapeHtml(caption)}" src="data:image/webp;base64,${readFileSync(join(folder, grid)).toString('base64')}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
  const trained = results.filter(({ step }) => step === last.step);
  const shared = comparedSteps(trained.map(({ numSteps }) => numSteps));
  const overTime = results.filter(({ numSteps }) => numSteps === shared);
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  const final = metrics.at(-1); // absent if no step changed the weights yet
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(config.name)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(config.name)}: a few-step video generator, trained from scratch</h1>
<p>${final ? final.step + 1 : 0} steps of ${config.training.batchSize} clips in ${Math.round(final?.seconds ?? 0)} seconds. Every grid moves; its clips were asked for the classes ${escapeHtml(evaluation.classes.join(', '))}, in turn.</p>
<h2>Figures</h2>
<table>${row(COLUMNS, 'th')}${tableRows(evaluation)
    .map((cells) => row(cells, 'td'))
    .join('')}</table>
<p class="note">Distance: Frechet distance of ${protocol.featureSize} features of ${escapeHtml(protocol.extractor)} (weights ${protocol.extractorSha256.slice(0, 12)}, held-out accuracy ${(100 * protocol.extractorHeldOutAccuracy).toFixed(1)} %), ${protocol.generatedClips} clips by the ${protocol.sampler} sampler${protocol.guidance ? `, guided by ${protocol.guidance.kind} guidance of ${protocol.guidance.scale}` : ''}, against ${protocol.realClips} real ${protocol.split} ones, covariance over ${protocol.covariance}. It is not FVD and compares only with distances of the same protocol. The last row compares real held-out clips with other real held-out clips: the floor.</p>
<h2>What ${shared} steps give while training goes on</h2>
<div class="row">${overTime.map((result) => movie(result.grid, describeAge(result))).join('')}${movie(real.grid, 'real held-out clips')}</div>
<h2>After training, by number of steps</h2>
<div class="row">${trained.map((result) => movie(result.grid, `network passes: ${formatEvaluations(result)}`)).join('')}</div>
<h2>Curves</h2>
<div class="row">${distanceChart(results, shared, real.frechetDistance)}${lossCharts(metrics).join('')}</div>
<h2>Config</h2>
<pre>${escapeHtml(stringify(config))}</pre>
</body></html>
`;
}
