import { examples } from '@eflow/cli';
import { loadConfig, openRunFolder, presetNames, type RunConfig } from '@eflow/run';
import { Command, Option } from 'commander';
import { EXIT_STOPPED, type Start } from './supervise.ts';

/** What a command line asks for. */
export interface Request {
  /** Whatever else is given, only `train` writes anything. */
  does: 'train' | 'dryRun' | 'printConfig';
  config: RunConfig;
  /** The run's folder. */
  root: string;
  start: Start;
  eager: boolean;
  /** A dry run's figures as JSON. */
  json: boolean;
}

interface Flags {
  out?: string;
  dryRun?: boolean;
  json?: boolean;
  resume?: string;
  overwrite?: boolean;
  printConfig?: boolean;
  eager?: boolean;
}

const DEFAULT_CONFIG = 'digits-tiny';

/** The command line of `train`; every combination of flags is a request that `act` is given, or is refused before that. */
export const createProgram = (act: (request: Request) => Promise<void>): Command =>
  new Command('train')
    .description('Train a few-step video generator from scratch, into a run folder to sample and measure.')
    .argument('[config]', `a YAML file or a preset: ${presetNames().join(', ')} (default: ${DEFAULT_CONFIG})`)
    .argument('[overrides...]', 'dotted keys to change, such as training.batchSize=16 or training.maxSeconds=null')
    .option('--out <folder>', "the run's folder (default: runs/ and the config's name)")
    .option('--dry-run', 'print shapes, parameters, and memory and time measured on a few steps; write nothing')
    .option('--json', 'with --dry-run: the figures as one JSON object')
    .addOption(
      new Option(
        '--resume <folder>',
        "continue the run in that folder, by its own config, from its newest checkpoint (without a config's name, --out and --overwrite)",
      ).conflicts(['out', 'overwrite']),
    )
    .option('--overwrite', 'replace the run that is in the folder')
    .option('--eager', 'run op by op instead of as one compiled graph: slower, and easier to debug')
    .addOption(
      new Option('--print-config', 'print the whole config, defaults filled in; write nothing').conflicts('dryRun'),
    )
    .addHelpText(
      'after',
      `
Ctrl-C finishes the step, writes a checkpoint and exits with ${EXIT_STOPPED}; a second Ctrl-C stops at once. Run the same command again to
resume, after Ctrl-C or a crash: losses and weights are those of an uninterrupted run, bit for bit. A crash restarts training
by itself, up to training.maxRestarts times.
${examples(
  'train',
  'digits-tiny --dry-run',
  'digits-tiny training.maxSeconds=600 --out runs/longer',
  '--resume runs/longer training.maxSeconds=1200',
)}`,
    )
    .action((source: string | undefined, overrides: string[], flags: Flags) =>
      act(readRequest(source, overrides, flags)),
    );

/** Throws on what contradicts itself, and on a config that cannot be. */
function readRequest(source: string | undefined, overrides: string[], flags: Flags): Request {
  const { resume, out, dryRun, printConfig, overwrite, eager = false, json = false } = flags;
  if (json && !dryRun) throw new Error('--json goes with --dry-run');
  const how = { does: dryRun ? 'dryRun' : printConfig ? 'printConfig' : 'train', eager, json } as const;
  if (resume === undefined) {
    const config = loadConfig(source ?? DEFAULT_CONFIG, overrides);
    return { ...how, config, root: out ?? `runs/${config.name}`, start: overwrite ? 'overwrite' : 'new' };
  }
  const changes = source === undefined ? [] : [source, ...overrides];
  const other = changes.find((change) => !change.includes('='));
  if (other !== undefined) {
    throw new Error(
      `--resume goes on with the config of ${resume}, so that '${other}' would be ignored: leave it out and change keys by key=value, or leave out --resume`,
    );
  }
  const { folder } = openRunFolder(resume);
  return { ...how, config: loadConfig(folder.config, changes), root: resume, start: 'resume' };
}
