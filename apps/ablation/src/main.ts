import { join } from 'node:path';
import { examples, integer, list, positive, runProgram, Stopped } from '@eflow/cli';
import { setUpIfNeeded } from '@eflow/engine';
import { Command } from 'commander';
import { describeStudy } from './dry-run.ts';
import { planCell } from './plan.ts';
import { writeReport } from './report.ts';
import { cellFolder, isFinished, readRecord } from './results.ts';
import { runStudy } from './run-study.ts';
import { expandCells, readStudy, requireKnown, studyNames } from './study.ts';

interface Flags {
  out?: string;
  only: string[];
  seeds?: number[];
  seconds?: number;
  steps?: number;
  dryRun?: boolean;
  overwrite?: boolean;
  reportOnly?: boolean;
}

const EXIT_STOPPED = 130;

const program = new Command('ablation')
  .description(
    'Train and measure variants of a config, the cells of a study, one after the other, and write tables, figures and a report. Run the same command again to resume.',
  )
  .argument('<study>', `a YAML file or one of: ${studyNames().join(', ')}`)
  .argument(
    '[overrides...]',
    "changes to the base of every cell, such as training.batchSize=16; a cell's own patch wins",
  )
  .option('--out <folder>', "the study's folder (default: runs/ablation- and the study's name)")
  .option(
    '--dry-run',
    'list the cells with their steps and an estimate of their time, in seconds; train and write nothing',
  )
  .option(
    '--only <cell>',
    'run this cell alone; may be given several times',
    (name, names: string[]) => [...names, name],
    [],
  )
  .option('--seeds <list>', "seeds in place of the study's, such as 0,1,2", list(integer(0)))
  .option('--seconds <n>', "seconds of training per cell, in place of the study's budget", positive)
  .option('--steps <n>', "steps of training per cell, in place of the study's budget", integer(1))
  .option('--overwrite', 'make cells anew whose config has changed')
  .option('--report-only', 'write tables, figures and report of the cells that have ended')
  .addHelpText(
    'after',
    `
If a cell fails, the tables say so and the others go on; the study then exits with 1, as it does if a loss or gradient was not
finite. Ctrl-C lets the cell write a checkpoint and exits with ${EXIT_STOPPED}.
${examples(
  'ablation',
  'objectives --dry-run',
  'objectives --seconds 60 --seeds 0 --out runs/quick',
  'drop --steps 100 --seeds 0,1',
  'throughput --only FM --only "+ GLGA"',
  'my-study.yaml training.batchSize=16',
)}`,
  );

async function main(source: string, changes: string[], flags: Flags): Promise<void> {
  if (flags.seconds && flags.steps) throw new Error('--seconds and --steps are two budgets; give one of them');
  const study = readStudy(source);
  study.seeds = flags.seeds ?? study.seeds;
  if (flags.seconds) study.budget = { seconds: flags.seconds };
  if (flags.steps) study.budget = { steps: flags.steps };
  const names = study.cells.map(({ name }) => name);
  requireKnown('ablation', '--only', flags.only, names);
  const out = flags.out ?? `runs/ablation-${study.name}`;
  const cells = expandCells(study, changes);
  const asked = cells.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
  for (const cell of asked) planCell(cell, study.budget); // throws on a config or a measure that cannot be

  if (flags.dryRun) return console.log(await describeStudy(study, asked, out));
  if (!flags.reportOnly) await setUpIfNeeded();
  try {
    if (!flags.reportOnly) await runStudy(study, asked, out, flags.overwrite === true);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    console.error('\nStopped. Run the same again to go on.');
    process.exitCode = EXIT_STOPPED;
  }
  const ended = cells.flatMap((cell) => readRecord(cellFolder(out, cell)) ?? []);
  if (ended.length === 0) {
    if (flags.reportOnly) throw new Error(`${out}: no cell of '${study.name}' has ended; run the study first`);
    return;
  }
  console.log(`\n${writeReport(study, cells, out)}\n${join(out, 'report.html')}`);
  if (process.exitCode !== undefined) return;
  const named = (records: typeof ended) =>
    records.map(({ base, name, seed }) => `${base} ${name} of seed ${seed}`).join(', ');
  const failed = ended.filter((record) => !isFinished(record));
  if (failed.length > 0) throw new Error(`failed: ${named(failed)}`);
  const notFinite = ended.filter((record) => isFinished(record) && record.stability && record.stability.notFinite > 0);
  if (notFinite.length > 0) throw new Error(`loss or gradient was not finite in a step of ${named(notFinite)}`);
}

program.action(main);
await runProgram(program);
