import { lastLines, runProcess } from './run-process.ts';
import { diskFull, SetUpError } from './set-up-error.ts';
import { type Architecture, PLATFORM_TAGS, PYTHON_TAG, type Wheel } from './wheels.ts';

const CANDIDATES = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/** The first pip that answers, as a command line. Throws a SetUpError that quotes the first one that does not work. */
export async function findPip(env: NodeJS.ProcessEnv = process.env): Promise<[command: string, ...args: string[]]> {
  const refusals: string[] = [];
  for (const [command, ...args] of CANDIDATES) {
    const { code, output } = await runProcess(command, [...args, '--version']);
    if (code === 0) return [command, ...args];
    if (code === undefined) continue;
    const lines = output.trim().split('\n');
    const reason = lines.find((line) => /error/i.test(line)) || lines.at(-1) || `exit code ${code}`;
    refusals.push(`${[command, ...args].join(' ')}, which fetches the TensorFlow wheel, does not work:\n    ${reason}`);
  }
  const variables = ['PYTHONHOME', 'PYTHONPATH'].filter((name) => env[name]);
  const unset = variables.length > 0 ? `Unset ${variables.join(' and ')}, which Python obeys, or i` : 'I';
  throw new SetUpError(
    refusals[0] ?? 'Neither python3 -m pip nor pip was found; it fetches the TensorFlow wheel.',
    `${unset}nstall Python 3 with pip (Debian and Ubuntu: apt-get install python3-pip), or give a library with --library.`,
    true,
  );
}

/**
 * Downloads one wheel into `folder` through the index that the user's pip is set up with; nothing is installed. Its
 * temporaries go there too, so that they are on the disk that was checked and their size shows the progress.
 */
export async function downloadWheel(wheel: Wheel, architecture: Architecture, folder: string): Promise<void> {
  const [command, ...args] = await findPip();
  const { code, output } = await runProcess(
    command,
    [
      ...args,
      ...['download', '--quiet', '--progress-bar', 'off', '--disable-pip-version-check', '--no-input'],
      ...['--no-cache-dir', '--no-deps', '--only-binary=:all:', '--python-version', PYTHON_TAG],
      ...PLATFORM_TAGS[architecture].flatMap((tag) => ['--platform', tag]),
      ...['--dest', folder, `${wheel.name}==${wheel.version}`],
    ],
    // Nothing is installed into any environment, and the hash is checked here.
    { ...process.env, TMPDIR: folder, PIP_REQUIRE_VIRTUALENV: '0', PIP_REQUIRE_HASHES: '0' },
  );
  if (code === 0) return;
  if (/no space left on device/i.test(output)) throw diskFull();
  throw new SetUpError(
    `pip could not download ${wheel.name} ${wheel.version}:\n${lastLines(output)}`,
    `Check the network and what pip is set up with (${pipSettings()}), or give a library with --library.`,
    true,
  );
}

/** Where pip's settings come from: its files, and the variables that are set. */
const pipSettings = (env: NodeJS.ProcessEnv = process.env): string =>
  ['pip config list', ...Object.keys(env).filter((name) => name.startsWith('PIP_'))].join(', ');
