import { integer, number, runProgram } from '@eflow/cli';
import { useTensorFlow } from '@eflow/engine';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError } from 'commander';
import { trainCell } from './cell.ts';
import { measure } from './measures.ts';
import { appendCell, type Cell, formatStudy, readCells, writeStudy } from './results.ts';
import { KINDS, type Kind, RATES } from './settings.ts';

interface Flags {
  kinds: Kind[];
  rates: number[];
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  out: string;
}

const rate = number('shares in [0, 1), separated by commas', (value) => value >= 0 && value < 1);

function kind(text: string): Kind {
  if (Object.hasOwn(KINDS, text)) return text as Kind;
  throw new InvalidArgumentError(`expected some of ${Object.keys(KINDS).join(', ')}, separated by commas`);
}

const program = new Command('attention-study')
  .description(
    'Trains a small video network with each kind of attention and each share of dropped tokens, and tells loss and gradient. Ends with 1 if one was not finite. Run again, it goes on where it was ended.',
  )
  .option('--kinds <list>', 'attentions', (list) => list.split(',').map(kind), Object.keys(KINDS) as Kind[])
  .option(
    '--rates <list>',
    "shares of the middle's tokens that are dropped",
    (list) => list.split(',').map(rate),
    RATES,
  )
  .option('--steps <n>', 'updates of each network', integer(1), 500)
  .option('--batch-size <n>', 'clips per update', integer(1), 4)
  .option(
    '--learning-rate <x>',
    'of AdamW',
    number('a number between 0 and 1', (value) => value > 0 && value < 1),
    4e-3,
  )
  .option('--seed <n>', 'of weights, clips, noise and dropped tokens', integer(0), 0)
  .option('--out <folder>', 'where cells.jsonl, study.json and study.md go', 'runs/attention-study');

async function main({ kinds, rates, out, ...settings }: Flags): Promise<void> {
  const finished = readCells(out, settings);
  const find = (of: Kind, at: number) => finished.find((cell) => cell.kind === of && cell.rate === at);
  const asked = kinds.flatMap((of) => rates.map((at) => ({ kind: of, rate: at })));
  const missing = asked.filter((cell) => !find(cell.kind, cell.rate));
  const { tensorflowVersion, device } = await useTensorFlow({ threads: 1 }); // small tensors are faster with one

  const bar = new SingleBar({
    format: '{bar} {percentage}% | {cell} | step {step} | loss {loss} | {duration_formatted} + {eta_formatted} to go',
    barsize: 16,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    etaBuffer: settings.steps,
  });
  bar.start(missing.length * settings.steps, 0, { cell: '-', step: '-', loss: '-' });
  try {
    for (const [index, cell] of missing.entries()) {
      const start = performance.now();
      const name = `${cell.kind} without ${Math.round(100 * cell.rate)} %`;
      const trace = await trainCell(cell.kind, cell.rate, settings, (step, loss) => {
        bar.update(index * settings.steps + step + 1, { cell: name, step: step + 1, loss: loss.toFixed(3) });
      });
      const seconds = (performance.now() - start) / 1000;
      const done: Cell = { ...cell, ...measure(trace), seconds, settings };
      appendCell(out, done);
      finished.push(done);
    }
  } finally {
    bar.stop();
  }

  const cells = asked.map((cell) => find(cell.kind, cell.rate)!);
  const environment = { TensorFlow: tensorflowVersion, device, node: process.versions.node };
  writeStudy(out, cells, environment);
  console.log(formatStudy(cells, environment));
  const bad = cells.filter(({ nonFinite }) => nonFinite > 0);
  if (bad.length > 0) {
    throw new Error(
      `loss or gradient was not finite in ${bad.map((cell) => `${cell.kind} without ${100 * cell.rate} %`).join(', ')}`,
    );
  }
}

program.action(main);
await runProgram(program);
