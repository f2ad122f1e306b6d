/**
 * The process that trains. Its supervisor, main.ts, owns the terminal's signals, sends what to train as the first message and
 * `stop` as the next, and restarts it after a crash.
 */
import { useTensorFlow } from '@eflow/engine';
import type { RunConfig, RunFolder } from '@eflow/run';
import { takeLock } from './lock.ts';
import { EXIT_STOPPED, type Message } from './supervise.ts';
import { train } from './train.ts';

/** Longer than a step and a checkpoint of what is trained on such a machine: as long as an orphan may need to end. */
const WAIT_SECONDS = 60;

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}); // the supervisor's
process.on('disconnect', () => {
  stopping = true; // the supervisor is gone
});
process.on('message', (message: Message) => {
  if (message === 'stop') stopping = true;
  else run(message.config, message.folder, message.eager).catch(fail);
});

async function run(config: RunConfig, folder: RunFolder, eager: boolean): Promise<void> {
  const release = await takeLock(folder.lock, WAIT_SECONDS);
  try {
    const engine = await useTensorFlow(config.training);
    console.log(
      `Training ${config.name} into ${folder.root} on TensorFlow ${engine.tensorflowVersion} (${engine.device}).`,
    );
    const { step, seconds, skipped } = await train(config, folder, { eager, engine, stopRequested: () => stopping });
    const leftOut = skipped > 0 ? `, ${skipped} of them left out (${folder.skipped})` : '';
    console.log(
      `${stopping ? 'Stopped' : 'Done'} after ${step} steps${leftOut} and ${seconds.toFixed(0)} s. Sample from it: pnpm sample ${folder.root}`,
    );
  } finally {
    release();
  }
  process.exit(stopping ? EXIT_STOPPED : 0);
}

function fail(error: Error): void {
  console.error(`\ntrain: ${error.message}`);
  process.exit(1);
}
