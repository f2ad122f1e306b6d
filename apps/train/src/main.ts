import { useTensorFlow } from '@eflow/engine';
import { createRunFolder, loadConfig, openRunFolder, presetNames } from '@eflow/run';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { describeDryRun, dryRun } from './dry-run.ts';
import { train } from './train.ts';

interface Flags {
  out?: string;
  dryRun?: boolean;
  json?: boolean;
  resume?: string;
  overwrite?: boolean;
  printConfig?: boolean;
  eager?: boolean;
}

/** Training was ended by Ctrl-C or SIGTERM and left a checkpoint. */
const EXIT_STOPPED = 130;
const SAME_SIGNAL_MS = 1000;

const program = new Command('train')
  .description('Trains a few-step video generator from scratch and writes a run folder.')
  .argument('[config]', `a YAML file or a preset: ${presetNames().join(', ')}`, 'digits-tiny')
  .argument('[overrides...]', 'dotted keys to change, such as training.batchSize=16 network.attention.kind=softmax')
  .option('--out <folder>', "the run's folder (default: runs/ and the config's name)")
  .option('--dry-run', 'print shapes, parameters, and memory and time measured on a few steps; write nothing')
  .option('--json', 'with --dry-run: the figures as one JSON object')
  .option('--resume <folder>', 'go on with the run in that folder, from its newest checkpoint')
  .option('--overwrite', 'replace the run that is in the folder')
  .option('--eager', 'run op by op instead of as one compiled graph: slower, and easier to debug')
  .option('--print-config', 'print the whole config, defaults filled in, and exit')
  .addHelpText(
    'after',
    `
Ctrl-C finishes the step, writes a checkpoint and exits with ${EXIT_STOPPED}; a second one stops at once.

Examples:
  train digits-tiny --dry-run
  train digits-tiny training.maxSeconds=600 --out runs/longer
  train --resume runs/longer training.maxSeconds=1200`,
  );

async function main(source: string, overrides: string[], flags: Flags): Promise<void> {
  if (flags.resume) {
    // With --resume there is no config to name: what stands first is an override.
    const { folder } = openRunFolder(flags.resume);
    const changes = source.includes('=') ? [source, ...overrides] : overrides;
    const config = loadConfig(folder.config, changes);
    return run(config, folder, { resume: true, eager: flags.eager });
  }
  const config = loadConfig(source, overrides);
  if (flags.json && !flags.dryRun) throw new Error('--json goes with --dry-run');
  if (flags.printConfig) return console.log(stringify(config));
  if (flags.dryRun) {
    const engine = await useTensorFlow(config.training);
    const run = dryRun(config, flags);
    return console.log(flags.json ? JSON.stringify(run) : describeDryRun(config, run, engine));
  }
  const root = flags.out ?? `runs/${config.name}`;
  const folder = createRunFolder(root, config, { overwrite: flags.overwrite });
  return run(config, folder, { resume: false, eager: flags.eager });
}

async function run(
  config: ReturnType<typeof loadConfig>,
  folder: ReturnType<typeof createRunFolder>,
  { resume, eager }: { resume: boolean; eager: boolean | undefined },
) {
  let stoppedAt = Number.POSITIVE_INFINITY;
  const stopRequested = () => stoppedAt < Number.POSITIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // One Ctrl-C may come twice, from the terminal and from a parent that passes it on.
      if (performance.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(EXIT_STOPPED);
      if (stopRequested()) return;
      stoppedAt = performance.now();
      console.error(`\n${signal}: finishing this step and writing a checkpoint; once more to stop at once.`);
    });
  }
  const engine = await useTensorFlow(config.training);
  console.log(
    `Training ${config.name} into ${folder.root} on TensorFlow ${engine.tensorflowVersion} (${engine.device}).`,
  );
  const { step, seconds } = await train(config, folder, { resume, eager, engine, stopRequested });
  console.log(
    `${stopRequested() ? 'Stopped' : 'Done'} after ${step} steps and ${seconds.toFixed(0)} s. Sample from it: pnpm sample ${folder.root}`,
  );
  if (stopRequested()) process.exitCode = EXIT_STOPPED;
}

program.action(main);
program.parseAsync().catch((error: Error) => {
  console.error(`\ntrain: ${error.message}`);
  process.exitCode = 1;
});
