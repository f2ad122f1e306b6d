import { join } from 'node:path';
import { createRunFolder, loadConfig, openRunFolder, presetNames, type RunConfig, type RunFolder } from '@eflow/run';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { assertUnlocked } from './lock.ts';
import { EXIT_STOPPED, supervise } from './supervise.ts';

interface Flags {
  out?: string;
  dryRun?: boolean;
  json?: boolean;
  resume?: string;
  overwrite?: boolean;
  printConfig?: boolean;
  eager?: boolean;
}

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
Ctrl-C or SIGTERM finishes the step, writes a checkpoint and exits with ${EXIT_STOPPED}; a second one stops at once. The same command goes
on where a run was ended, however that was, with the same losses and weights as if it had not been. A crash restarts it up to
training.maxRestarts times.

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
    return run(config, folder, flags);
  }
  const config = loadConfig(source, overrides);
  if (flags.json && !flags.dryRun) throw new Error('--json goes with --dry-run');
  if (flags.printConfig) return console.log(stringify(config));
  if (flags.dryRun) {
    const { useTensorFlow } = await import('@eflow/engine');
    const { describeDryRun, dryRun } = await import('./dry-run.ts');
    const engine = await useTensorFlow(config.training);
    const run = dryRun(config, flags);
    return console.log(flags.json ? JSON.stringify(run) : describeDryRun(config, run, engine));
  }
  const root = flags.out ?? `runs/${config.name}`;
  if (flags.overwrite) assertUnlocked(join(root, 'train.lock'));
  const folder = createRunFolder(root, config, { overwrite: flags.overwrite });
  return run(config, folder, flags);
}

async function run(config: RunConfig, folder: RunFolder, { eager = false }: Flags): Promise<void> {
  process.exitCode = await supervise(config, folder, eager);
}

program.action(main);
program.parseAsync().catch((error: Error) => {
  console.error(`\ntrain: ${error.message}`);
  process.exitCode = 1;
});
