import { lastLines, runProcess } from './run-process.ts';
import { diskFull, SetUpError } from './set-up-error.ts';
import { type Architecture, PLATFORM_TAGS, PYTHON_TAG, type Wheel } from './wheels.ts';

const CANDIDATES = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/** The first pip that answers, as a command line; undefined if there is none. */
export async function findPip(): Promise<readonly string[] | undefined> {
  for (const [command, ...args] of CANDIDATES) {
    if ((await runProcess(command, [...args, '--version'])).code === 0) return [command, ...args];
  }
  return undefined;
}

/**
 * Downloads one wheel into `folder` through the index that the user's pip is set up with; nothing is installed. Its
 * temporaries go there too, so that they are on the disk that was checked and their size shows the progress.
 */
export async function downloadWheel(wheel: Wheel, architecture: Architecture, folder: string): Promise<void> {
  const pip = await findPip();
  if (!pip) {
    throw new SetUpError(
      'Neither python3 -m pip nor pip was found; it fetches the TensorFlow wheel.',
      'Install Python 3 with pip (Debian and Ubuntu: apt-get install python3-pip), or give a library with --library.',
      true,
    );
  }
  const [command, ...args] = pip as [string, ...string[]];
  const { code, output } = await runProcess(
    command,
    [
      ...args,
      ...['download', '--quiet', '--progress-bar', 'off', '--disable-pip-version-check', '--no-input'],
      ...['--no-cache-dir', '--no-deps', '--only-binary=:all:', '--python-version', PYTHON_TAG],
      ...PLATFORM_TAGS[architecture].flatMap((tag) => ['--platform', tag]),
      ...['--dest', folder, `${wheel.name}==${wheel.version}`],
    ],
    { ...process.env, TMPDIR: folder },
  );
  if (code === 0) return;
  if (/no space left on device/i.test(output)) throw diskFull();
  throw new SetUpError(
    `pip could not download ${wheel.name} ${wheel.version}:\n${lastLines(output)}`,
    'Check the network and the index that pip is set up with (pip config list), or give a library with --library.',
    true,
  );
}
