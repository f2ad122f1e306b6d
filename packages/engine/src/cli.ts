#!/usr/bin/env node
import { Command } from 'commander';
import { runDoctor } from './doctor.ts';
import { SetUpError } from './set-up-error.ts';
import { findEngine, setUpEngine } from './setup.ts';

const program = new Command('eflow-engine').description("TensorFlow's own runtime for TensorFlow.js.");

program
  .command('setup')
  .description('Fetch the TensorFlow library, compile the addon and place it. Does nothing that is done already.')
  .option('--cuda', 'the library with CUDA for NVIDIA GPUs (a download of about 3.4 GB)')
  .option('--library <folder>', 'use this library: libtensorflow_cc.so.2 or libtensorflow.so.2, framework, include/')
  .option('--force', 'fetch and compile again')
  .option('--if-needed', 'do and say nothing if a library of any kind is set up')
  .action(
    async ({ ifNeeded, ...options }: { cuda?: boolean; library?: string; force?: boolean; ifNeeded?: boolean }) => {
      if (ifNeeded && findEngine()) return; // useTensorFlow places the addon
      const { library } = await setUpEngine(options);
      console.log(`TensorFlow is set up: ${library}`);
    },
  );

program
  .command('doctor')
  .description('Print what the engine needs and what of it is there; exit 1 if something is missing.')
  .action(async () => {
    const { table, healthy } = await runDoctor();
    console.log(table);
    process.exitCode = healthy ? 0 : 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  console.error(`\n${error.what}\n${error.wayOut}`);
  process.exitCode = 1;
}
