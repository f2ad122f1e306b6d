/**
 * The process that trains. Its supervisor, main.ts, owns the terminal's signals, sends what to train as the first message and
 * `stop` as the next, and restarts it after a crash.
 */
import { mkdirSync } from 'node:fs';
import { commandLine, countOf, ignoreClosedPipe } from '@eflow/cli';
import { useTensorFlow } from '@eflow/engine';
import { createRunFolder, openRunFolder } from '@eflow/run';
import { takeLock } from './lock.ts';
import { EXIT_STOPPED, type Message, type Task } from './supervise.ts';
import { checkStart, train } from './train.ts';

/** Longer than a step and a checkpoint of what is trained on such a machine: as long as an orphan may need to end. */
const WAIT_SECONDS = 60;

ignoreClosedPipe();
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}); // the supervisor's
process.on('disconnect', () => {
  stopping = true; // the supervisor is gone
});
process.on('message', (message: Message) => {
  if (message === 'stop') stopping = true;
  else run(message).catch(fail);
});

/** All that looks at the run's folder or changes it happens with the folder's lock. */
async function run({ config, root, start, eager }: Task): Promise<void> {
  mkdirSync(root, { recursive: true });
  const lock = await takeLock(root, start === 'overwrite' ? 0 : WAIT_SECONDS);
  try {
    const engine = await useTensorFlow(config.training);
    if (start === 'overwrite') await checkStart(config);
    const folder =
      start === 'resume'
        ? openRunFolder(root).folder
        : createRunFolder(root, config, { overwrite: start === 'overwrite' });
    lock.sign();
    console.log(
      `Training ${config.name} into ${folder.root} on TensorFlow ${engine.tensorflowVersion} (${engine.device}).`,
    );
    const { step, seconds, skipped } = await train(config, folder, { eager, engine, stopRequested: () => stopping });
    const leftOut = skipped > 0 ? `, ${skipped} of them left out (${folder.skipped})` : '';
    console.log(
      `${stopping ? 'Stopped' : 'Done'} after ${countOf(step, 'step')}${leftOut} and ${seconds.toFixed(0)} s. Sample from it: ${commandLine('sample')} ${folder.root}`,
    );
  } finally {
    lock.release();
  }
  process.exit(stopping ? EXIT_STOPPED : 0);
}

function fail(error: Error): void {
  console.error(`\ntrain: ${error.message}`);
  process.exit(1);
}
