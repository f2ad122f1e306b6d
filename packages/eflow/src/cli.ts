#!/usr/bin/env node
import { appFile, callThroughEflow, packageVersion } from '@eflow/cli';
import { closest } from 'fastest-levenshtein';

/** Each command: what one gets by it, and the module that does its work when it is loaded. */
const COMMANDS: Record<string, readonly [gives: string, module: string]> = {
  train: ['train a generator of moving digits or of your own videos', appFile('train').href],
  sample: ['sample clips from a run, as PNG, WebP, GIF and mp4', appFile('sample').href],
  evaluate: ['measure a run of moving digits, and write a report', appFile('evaluate').href],
  data: ['prepare your own videos for training', '@eflow/data/cli'],
  fvd: ['measure generated videos against real ones', '@eflow/measure/cli'],
  ablation: ['train and compare variants of a config', appFile('ablation').href],
  engine: ['set TensorFlow up, or see what it lacks (other commands set it up when they need it)', '@eflow/engine/cli'],
};

const HELP = `Usage: npx eflow <command> [arguments]

Train a few-step video generator from scratch, sample it and measure it.

Commands:
${Object.entries(COMMANDS)
  .map(([name, [gives]]) => `  ${name.padEnd(10)} ${gives}`)
  .join('\n')}

Options:
  --version  print the version
  --help     print this, or after a command its own help

Examples:
  npx eflow train digits-tiny training.steps=20
  npx eflow sample`;

const [, , name = '--help'] = process.argv;
if (name === '--version') console.log(packageVersion());
else if (['--help', '-h', 'help'].includes(name)) console.log(HELP);
else if (Object.hasOwn(COMMANDS, name)) {
  callThroughEflow();
  process.argv.splice(2, 1); // the command reads what follows its name
  await import(COMMANDS[name]![1]);
} else {
  const nearest = closest(name, Object.keys(COMMANDS));
  console.error(`eflow: there is no command '${name}'; did you mean '${nearest}'? All commands: npx eflow --help`);
  process.exitCode = 1;
}
