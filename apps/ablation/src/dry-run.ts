import { figures, formatClock } from './format.ts';
import { estimateSeconds, measureSpeeds, planCell } from './plan.ts';
import { cellFolder, isFinished, readRecord } from './results.ts';
import type { Cell, Study } from './study.ts';

/** The cells with their patches, steps and seconds as text. Speeds that the study's folder does not know are measured. */
export async function describeStudy(study: Study, cells: readonly Cell[], out: string): Promise<string> {
  const speedOf = await measureSpeeds(cells, out, { writes: false });
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
    lines.push(
      `${cell.base} ${cell.name}: ${steps} steps of ${figures(1000 * stepSeconds)} ms, ${formatClock(seconds)} for each seed; to run: ${waiting.join(', ') || 'none'}`,
      ...cell.overrides.map((override) => `    ${override}`),
      ...cell.measures.map((measure) => `    measured with ${JSON.stringify(measure)}`),
    );
  }
  const hasMeasures = cells.some(({ measures }) => measures.length > 0);
  const left = hasMeasures && finished.length === 0 ? ', and what measuring takes' : '';
  return [...lines, `${formatClock(total)} in all${left}`].join('\n');
}
