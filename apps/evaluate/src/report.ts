import { join } from 'node:path';
import { escapeHtml, htmlPage, htmlPicture, htmlTable, percent } from '@eflow/cli';
import { formatEvaluations, type RunConfig, type StepMetrics } from '@eflow/run';
import { stringify } from 'yaml';
import { distanceChart, lossCharts } from './charts.ts';
import { comparedSteps, type Evaluation } from './evaluation.ts';
import { describeAge, evaluationTable, FACTORS_NOTE } from './table.ts';

/** A page that stands alone: the table, the moving grids, the curves, the config. `folder` holds the grids. */
export function renderReport(
  folder: string,
  config: RunConfig,
  metrics: StepMetrics[],
  evaluation: Evaluation,
): string {
  const { extractor, sampling, results, real } = evaluation;
  const { protocol } = real;
  const last = results.at(-1)!;
  const movie = (grid: string, caption: string) => htmlPicture(join(folder, grid), caption);
  const trained = results.filter(({ step }) => step === last.step);
  const shared = comparedSteps(trained.map(({ numSteps }) => numSteps));
  const overTime = results.filter(({ numSteps }) => numSteps === shared);
  const table = evaluationTable(evaluation);
  const final = metrics.at(-1); // absent if no step changed the weights yet
  return htmlPage(`${config.name}: a few-step video generator, trained from scratch`, [
    `<p>${final ? final.step + 1 : 0} steps of ${config.training.batchSize} clips in ${Math.round(final?.seconds ?? 0)} seconds. Every grid moves.</p>`,
    describeAsked(evaluation),
    '<h2>Figures</h2>',
    htmlTable(table.head, table.rows),
    real.factors ? `<p class="note">${FACTORS_NOTE}</p>` : '',
    `<p class="note">Distance: Frechet distance of ${extractor.numFeatures} features of the ${escapeHtml(protocol.extractor)} (weights ${protocol.weightsSha256.slice(0, 12)}, held-out accuracy ${percent(extractor.heldOutAccuracy, 1)}), ${protocol.numGenerated} clips by the ${sampling.sampler} sampler${sampling.guidance ? `, guided by ${sampling.guidance.kind === 'input' ? 'a scale' : `${sampling.guidance.kind} guidance`} of ${sampling.guidance.scale}` : ''}, against ${protocol.numReal} real ${protocol.split} ones, covariance over ${protocol.covarianceRule}. It is not FVD and compares only with distances of the same protocol. The last row compares real held-out clips with other real held-out clips: the floor.</p>`,
    `<h2>What ${shared} steps give while training goes on</h2>
<div class="row">${overTime.map((result) => movie(result.grid, describeAge(result))).join('')}${movie(real.grid, 'real held-out clips')}</div>`,
    `<h2>After training, by number of steps</h2>
<div class="row">${trained.map((result) => movie(result.grid, `network passes: ${formatEvaluations(result)}`)).join('')}</div>`,
    `<h2>Curves</h2>
<div class="row">${distanceChart(results, shared, real.frechetDistance)}${lossCharts(metrics).join('')}</div>`,
    `<h2>Config</h2>
<pre>${escapeHtml(stringify(config))}</pre>`,
  ]);
}

/** What the clips of a grid were asked for. */
function describeAsked({ asked, real }: Evaluation): string {
  if (real.factors) return '<p>Below each clip stands what it was asked for.</p>';
  const classes = [...new Set(asked)].join(', ');
  return `<p>The clips of a grid were asked for the classes ${escapeHtml(classes)}, in turn.</p>`;
}
