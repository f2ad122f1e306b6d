import { examples, runProgram } from '@eflow/cli';
import { Command } from 'commander';
import { addAttentionCommand } from './attention/command.ts';
import { addDataCommand } from './data/command.ts';
import { addFvdCommand } from './fvd/command.ts';
import { addNetworkCommand, addStepCommand } from './network/command.ts';
import { stopBenchmark } from './session.ts';

const program = new Command('bench')
  .description('Measure this project beside PyTorch and other peers on this machine.')
  .addHelpText('after', examples('bench', 'step', 'attention --quick', 'network --help'));
addStepCommand(program);
addAttentionCommand(program);
addNetworkCommand(program);
addDataCommand(program);
addFvdCommand(program);

// Ends by process.exit, so that what runs at the exit tidies up; the children end when their standard input does.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stopBenchmark);
await runProgram(program);
