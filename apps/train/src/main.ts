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
      const { useTensorFlow } = await import('@eflow/engine');
      const { describeDryRun, dryRun } = await import('./dry-run.ts');
      const engine = await useTensorFlow(config.training);
      const run = dryRun(request);
      return console.log(json ? JSON.stringify(run) : describeDryRun(config, run, engine));
    }
    case 'train':
      process.exitCode = await supervise(request);
  }
}

await runProgram(createProgram(main));
