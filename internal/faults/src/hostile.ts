/**
 * `pnpm test:hostile`: hands damaged and malicious files to whatever reads files, and counts what comes of it.
 */
import { integer, runProgram } from '@eflow/cli';
import { Command } from 'commander';
import { flipBits } from './hostile-checkpoints.ts';
import { fuzzSafetensors } from './hostile-safetensors.ts';
import { attackTars } from './hostile-tars.ts';
import { attackVideos } from './hostile-videos.ts';

interface Flags {
  mutations: number;
  flips: number;
  films: number;
  seed: number;
}

async function main({ mutations, flips, films, seed }: Flags): Promise<void> {
  const parts = [
    await fuzzSafetensors(mutations, seed),
    await flipBits(flips, seed),
    await attackTars(),
    await attackVideos(films, seed),
  ];
  for (const { figures } of parts) for (const line of figures) console.log(line);
  if (parts.some(({ failed }) => failed)) process.exitCode = 1;
}

const program = new Command('test:hostile')
  .description('Hands damaged and malicious files to all that reads files, and counts what comes of it.')
  .option('--mutations <n>', 'of safetensors files', integer(0), 100_000)
  .option('--flips <n>', 'bits of checkpoints', integer(0), 1000)
  .option('--films <n>', 'damaged copies of a film', integer(0), 300)
  .option('--seed <n>', 'of all that is random', integer(0), 0)
  .action(main);
await runProgram(program);
