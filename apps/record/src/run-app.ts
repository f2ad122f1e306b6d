import { appFile, endOf, Stopped, startNode } from '@eflow/cli';

/** Runs another app as its user would, on this terminal. Throws `Stopped` after Ctrl-C, and an Error where it fails. */
export async function runApp(name: string, args: readonly string[]): Promise<void> {
  const { code, isStopped } = await endOf(startNode(appFile(name), args, 'inherit'));
  if (isStopped) throw new Stopped(`${name} was stopped`);
  if (code !== 0) throw new Error(`${name} failed, as it says above; once that is mended, run the same again to go on`);
}
