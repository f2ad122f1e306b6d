import { fileURLToPath } from 'node:url';
import { format } from 'node:util';
import { vi } from 'vitest';

let runs = 0;

/**
 * Runs a command in this process, since a new one takes seconds to start: for commands that end before they compute much, such
 * as those that refuse their flags. `main` is a module that does its work when it is loaded, anew at every call. Returns what
 * `spawnSync` would.
 */
export async function runHere(
  main: URL,
  ...args: string[]
): Promise<{ status: number; stdout: string; stderr: string }> {
  const printed = { stdout: '', stderr: '' };
  let exit: number | undefined;
  const keep = (stream: keyof typeof printed, text: string) => {
    if (exit === undefined) printed[stream] += text;
    return true;
  };
  const { argv, execArgv, exitCode } = process;
  const mocks = [
    vi.spyOn(console, 'log').mockImplementation((...values) => keep('stdout', `${format(...values)}\n`)),
    vi.spyOn(console, 'error').mockImplementation((...values) => keep('stderr', `${format(...values)}\n`)),
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      exit ??= Number(code ?? 0);
      throw new Error(`exit ${code}`); // nothing after it may run
    }),
    ...(['stdout', 'stderr'] as const).flatMap((stream) => [
      vi.spyOn(process[stream], 'write').mockImplementation((text) => keep(stream, String(text))),
      vi.spyOn(process[stream], 'on').mockReturnThis(), // these streams outlive the command
    ]),
  ];
  process.argv = [process.execPath, fileURLToPath(main), ...args];
  process.execArgv = ['--import', 'tsx', '--conditions=@eflow/source']; // of its own children
  process.exitCode = undefined;
  try {
    await import(/* @vite-ignore */ `${fileURLToPath(main)}?run=${runs++}`);
    return { status: exit ?? Number(process.exitCode ?? 0), ...printed };
  } finally {
    for (const mock of mocks) mock.mockRestore();
    Object.assign(process, { argv, execArgv, exitCode });
  }
}
