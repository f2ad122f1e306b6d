// `pnpm test:asan [files]`: the tests of the native kernels with the kernels compiled by AddressSanitizer, so that a read or
// a write past any buffer, TensorFlow's own included, ends the run with a report. Takes GCC.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PACKAGES = ['packages/attention', 'packages/nn'];
const FROM_SOURCES = ['--import', 'tsx', '--conditions=@eflow/source'];

const env = { ...process.env };
delete env.EFLOW_NATIVE; // which may switch the kernels off
const compiler = env.CXX || 'c++';
env.EFLOW_NATIVE_FLAGS = [env.EFLOW_NATIVE_FLAGS, '-fsanitize=address -fno-omit-frame-pointer -g1'].join(' ').trim();

// Ahead of the tests, as these would do without kernels that do not compile.
run('node', [...FROM_SOURCES, 'packages/engine/src/cli.ts', 'setup', '--native', ...PACKAGES], env);

const files = process.argv.slice(2);
run('vitest', ['run', '--maxWorkers=1', ...(files.length > 0 ? files : PACKAGES)], {
  ...env,
  LD_PRELOAD: findLibrary(),
  // What V8 and TensorFlow keep until the process ends is no leak of the kernels'.
  ASAN_OPTIONS: ['detect_leaks=0', env.ASAN_OPTIONS].filter(Boolean).join(':'),
});

/** Node.js itself is compiled without the sanitizer, so its library must come first into the process. */
function findLibrary() {
  const { stdout } = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const library = (stdout ?? '').trim();
  if (existsSync(library)) return library;
  fail(
    `${compiler} has no libasan.so, GCC's AddressSanitizer; install it (Debian and Ubuntu: libasan8), or name a GCC in CXX.`,
  );
}

function run(command, args, environment) {
  const program = command === 'node' ? process.execPath : join(ROOT, 'node_modules', '.bin', command);
  const { status, error } = spawnSync(program, args, { cwd: ROOT, env: environment, stdio: 'inherit' });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  console.error(`test:asan: ${message}`);
  process.exit(1);
}
