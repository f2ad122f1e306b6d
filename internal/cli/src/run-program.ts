import type { Command } from 'commander';
import { commandLine, packageVersion } from './command-line.ts';

/**
 * Runs the command line of a program, which answers --version too. An error ends it with its message, under the program's name, and
 * exit code 1, unless one is set already. A reader that goes away (`| head`) ends the output, not the work.
 */
export async function runProgram(program: Command): Promise<void> {
  ignoreClosedPipe();
  const name = program.name();
  program.name(commandLine(name.replace(/^eflow-/, ''))).version(packageVersion(), '--version', 'print the version');
  try {
    await program.parseAsync();
  } catch (error) {
    console.error(`\n${name}: ${(error as Error).message}`);
    process.exitCode ??= 1;
  }
}

/** Lets this process go on when whoever read its output is gone; what it prints from then on is lost. */
export function ignoreClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
