#!/usr/bin/env node
import { commandLine, createProgress as createBar, examples, runProgram } from '@eflow/cli';
import { Command } from 'commander';
import { runDoctor } from './doctor.ts';
import { prepareNative } from './native-library.ts';
import { createProgress, type Progress } from './progress.ts';
import { describeFailure } from './set-up-error.ts';
import { findEngine, setUpEngine } from './setup.ts';

interface SetUpCommand {
  readonly cuda?: boolean;
  readonly library?: string;
  readonly force?: boolean;
  readonly native?: string[];
  readonly ifNeeded?: boolean;
}

/** A bar for each stage. */
const progress: Progress = {
  ...createProgress(),
  start(label, total, unit) {
    const units = Math.max(1, Math.round(total));
    const bar = createBar(units, unit, { stays: true });
    const update = (done: number) => bar.update(Math.min(done, units), label);
    update(0);
    return { update, end: () => bar.end() };
  },
};

const program = new Command('eflow-engine')
  .description("Set up TensorFlow's own runtime for TensorFlow.js.")
  .addHelpText('after', examples('engine', 'setup', 'setup --cuda', 'doctor'));

program
  .command('setup')
  .description('Fetch the TensorFlow library and compile the addon. Does nothing that is done already.')
  .option('--cuda', 'the library with CUDA for NVIDIA GPUs (a download of about 3.4 GB)')
  .option('--library <folder>', 'use this library: libtensorflow_cc.so.2 or libtensorflow.so.2, framework, include/')
  .option('--force', 'fetch and compile again')
  .option('--native <folders...>', 'packages whose native kernels to compile now, and not when they are first used')
  .option('--if-needed', 'do and say nothing that is not needed: any library will do, native kernels may be missing')
  .action(async ({ ifNeeded, native = [], ...options }: SetUpCommand) => {
    if (!(ifNeeded && findEngine())) {
      const { library } = await setUpEngine({ ...options, progress });
      console.log(`TensorFlow is set up: ${library}`);
      if (options.cuda) console.log(`To see whether it uses your GPU: ${commandLine('engine')} doctor`);
    }
    for (const folder of process.env.EFLOW_NATIVE === '0' ? [] : native) {
      try {
        const library = await prepareNative(folder);
        if (!ifNeeded) console.log(`Native kernels are compiled: ${library}`);
      } catch (error) {
        if (!ifNeeded) throw error;
        console.error(`Going on without the native kernels of ${folder}: ${describeFailure(error)}`);
      }
    }
  });

program
  .command('doctor')
  .description('Print what the engine needs and what of it is there; exit 1 if something is missing.')
  .action(async () => {
    const { table, healthy } = await runDoctor();
    console.log(table);
    process.exitCode = healthy ? 0 : 1;
  });

await runProgram(program);
