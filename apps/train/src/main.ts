import { runProgram } from '@eflow/cli';
import { stringify } from 'yaml';
import { createProgram, type Request } from './request.ts';
import { supervise } from './supervise.ts';

async function main(request: Request): Promise<void> {
  const { does, config, json } = request;
  switch (does) {
    case 'printConfig':
      return console.log(stringify(config));
    case 'dryRun': {
      const { setUpIfNeeded, useTensorFlow } = await import('@eflow/engine');
      const { describeDryRun, dryRun } = await import('./dry-run.ts');
      await setUpIfNeeded();
      const engine = await useTensorFlow(config.training);
      const run = dryRun(request);
      return console.log(json ? JSON.stringify(run) : describeDryRun(config, run, engine));
    }
    case 'train': {
      const { setUpIfNeeded } = await import('@eflow/engine');
      await setUpIfNeeded(); // in this process, which a signal ends
      process.exitCode = await supervise(request);
    }
  }
}

await runProgram(createProgram(main));
