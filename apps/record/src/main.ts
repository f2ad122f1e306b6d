import { mkdirSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import {
  countOf,
  describeMachine,
  examples,
  formatClock,
  formatNumber,
  integer,
  list,
  mean,
  positive,
  runProgram,
  Stopped,
} from '@eflow/cli';
import { setUpIfNeeded } from '@eflow/engine';
import { RECORD_FILE, RECORD_SEEDS } from '@eflow/record';
import { loadConfig } from '@eflow/run';
import { Command } from 'commander';
import { readCheckout, shortHash } from './checkout.ts';
import { appendEntry, checkEntry, PAGE, writePage } from './entry.ts';
import { measurePace, stepsWithin } from './pace.ts';
import { isMeasured, readSeed, runSeed } from './run-seed.ts';
import { formatMinutes } from './table.ts';

interface Flags {
  minutes: number[];
  seeds: number[];
  change?: string;
  allowDirty?: boolean;
  dryRun?: boolean;
  table?: boolean;
}

const PRESET = 'digits-tiny';
const RUNS = 'runs/record';
const EXIT_STOPPED = 130;
/** From this load average on, a machine is not idle. */
const BUSY_LOAD = 0.5;
/** What a seed takes besides its training, mostly to be measured; a guess that holds until the first has been. */
const MEASURING_SECONDS = 45;

/** Parses a list, of which each value counts once. */
const set =
  <Value>(parse: (text: string) => Value) =>
  (text: string) => [...new Set(list(parse)(text))];

const program = new Command('record')
  .description(
    `Train the preset ${PRESET} by the clock, measure it in 1, 2, 4 and 8 passes, and add the figures to ${PAGE}. Run the same command again to resume.`,
  )
  .argument('[overrides...]', 'changes to the preset, to try them out; nothing is added to the record then')
  .option('--change <words>', 'add the figures to the record, with these words for what was changed')
  .option('--minutes <list>', 'minutes of training, an entry for each', set(positive), [3, 10])
  .option('--seeds <list>', 'seeds of each entry', set(integer(0)), RECORD_SEEDS)
  .option('--allow-dirty', 'add to the record although files were changed since the commit')
  .option('--dry-run', 'say what would run, and for how long; train and write nothing')
  .option('--table', `write ${PAGE} anew from ${RECORD_FILE}; train nothing`)
  .addHelpText(
    'after',
    `
Trained seeds stay in ${RUNS}, in a folder for each commit, and are not trained again: neither after Ctrl-C, which exits with
${EXIT_STOPPED}, nor when --change is given later. Remove the folder to begin anew.
${examples(
  'record',
  '--dry-run',
  '--change "Muon in place of AdamW"',
  '--minutes 3 --seeds 0 optimizer.learningRate=6e-3',
)}`,
  );

async function main(overrides: string[], flags: Flags): Promise<void> {
  if (flags.table) return writePage();
  const { minutes, seeds, change, allowDirty = false } = flags;
  loadConfig(PRESET, overrides); // throws on what cannot be
  const checkout = readCheckout();
  if (change !== undefined) checkEntry({ change, overrides, checkout, allowDirty });

  const trial = overrides.length > 0 ? `-${shortHash(...overrides)}` : '';
  const folder = join(RUNS, `${checkout.id}${trial}`);
  const runs = minutes.flatMap((limit) =>
    seeds.map((seed) => ({ limit, seed, run: join(folder, `${limit}-minutes-seed-${seed}`) })),
  );
  const isWaiting = ({ run }: { run: string }) => !isMeasured(run);
  const measuring: number[] = [];
  const describeLeft = () => {
    const besides = measuring.length > 0 ? mean(measuring) : MEASURING_SECONDS;
    const waiting = runs.filter(isWaiting);
    const seconds = waiting.reduce((sum, { limit }) => sum + 60 * limit + besides, 0);
    return `${countOf(waiting.length, 'run')} to go, about ${formatClock(seconds)}`;
  };
  if (flags.dryRun) {
    const lines = runs.map(
      ({ limit, seed, run }) =>
        `${countOf(limit, 'minute')}, seed ${seed}: ${isMeasured(run) ? 'measured, in' : 'would be trained into'} ${run}`,
    );
    return console.log([...lines, `${describeLeft()}, and a minute to time a step`].join('\n'));
  }

  const load = loadavg()[0]!;
  if (load > BUSY_LOAD) console.error(`Something else runs here: the load average is ${load.toFixed(1)}.`);
  await setUpIfNeeded();
  mkdirSync(folder, { recursive: true });
  const config = [PRESET, ...overrides, 'training.previewEvery=0'];
  const pace = await measurePace(folder, config);
  for (const limit of minutes) {
    const plannedSteps = stepsWithin(60 * limit, pace);
    const limits = [`training.steps=${plannedSteps}`, `training.maxSeconds=${60 * limit}`];
    const entryRuns = runs.filter((one) => one.limit === limit);
    console.log(
      `${countOf(limit, 'minute')}: ${countOf(plannedSteps, 'step')} of ${formatNumber(1000 * pace.stepSeconds)} ms.`,
    );
    for (const { seed, run } of entryRuns.filter(isWaiting)) {
      console.log(`\n${countOf(limit, 'minute')}, seed ${seed}; ${describeLeft()}.`);
      const start = performance.now();
      await runSeed(run, [...config, ...limits, `seed=${seed}`]);
      if (readCheckout().id !== checkout.id) {
        rmSync(run, { recursive: true });
        throw new Error(
          `files were changed while seed ${seed} was trained, so that its run was removed; run the same again`,
        );
      }
      measuring.push((performance.now() - start) / 1000 - readSeed(run).result.seconds);
    }
    const measured = entryRuns.map(({ run }) => readSeed(run));
    const { commit: _, ...machine } = describeMachine();
    const entry = {
      date: new Date().toISOString().slice(0, 10),
      change: change ?? (overrides.join(' ') || '-'),
      commit: checkout.changes.length > 0 ? `${checkout.commit}-dirty` : checkout.commit,
      machine,
      minutes: limit,
      plannedSteps,
      seeds: measured.map(({ result }) => result),
      protocol: measured[0]!.protocol,
    };
    console.log(`\n${formatMinutes([entry], limit)}`);
    if (change === undefined) console.log('Nothing was added to the record: --change "what was changed" does that.');
    else appendEntry(entry);
  }
}

program.action(async (overrides: string[], flags: Flags) => {
  try {
    await main(overrides, flags);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    console.error('\nStopped. Run the same again to go on.');
    process.exitCode = EXIT_STOPPED;
  }
});
await runProgram(program);
