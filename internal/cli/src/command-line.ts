/** Whether this is the repository's TypeScript, and not a build of it. */
const IS_SOURCE = import.meta.url.endsWith('.ts');

/** Commands that a package of their own has, too. */
const HAVE_PACKAGES = ['data', 'fvd', 'engine'];

/** Set by the command `eflow` for the commands that it starts, and their children. */
const EFLOW = 'EFLOW_COMMAND';

/**
 * What one types to call a command from here, such as `data`: `pnpm data` in a clone of the repository, `npx eflow data` where the
 * command `eflow` is installed, and `npx eflow-data` where only the package of that command is.
 */
export function commandLine(name: string): string {
  if (IS_SOURCE) return `pnpm ${name}`;
  const eflow = process.env[EFLOW];
  return eflow || !HAVE_PACKAGES.includes(name) ? `${eflow ?? 'npx eflow'} ${name}` : `npx eflow-${name}`;
}

/** The end of a command's help: examples of what follows its name. */
export const examples = (name: string, ...lines: readonly string[]): string =>
  `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.map((line) => `  ${commandLine(name)} ${line}`.trimEnd()).join('\n')}`;
