import { mkdtempSync, rmSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import { type ChildSpec, type Contestant, childCommand, type Precision, type Runtime } from './contestants.ts';
import { countForwardFlops } from './flops.ts';
import { checkSameStep, type Entry, type Pauses, takeTurn, warmUp } from './measure.ts';
import { planContestant } from './plan.ts';
import type { Progress } from './progress.ts';
import type { Workload } from './workload.ts';

export interface StepBenchmark {
  contestants: readonly Contestant[];
  workloads: readonly Workload[];
  rounds: number;
  /** Rows and columns of the plain products. */
  productSize: number;
  /** Precisions whose rate of plain products is measured. */
  precisions: readonly Precision[];
  /** A Python with PyTorch; needed by contestants of that runtime. */
  python?: string;
}

/** What one size gave. */
export interface SizeResult {
  workload: Workload;
  forwardFlops: number;
  /** Of one of the plain products. */
  productFlops: number;
  /** All contestants took turns; otherwise one was measured after the other, since memory would not hold all. */
  interleaved: boolean;
  pauses: Pauses;
  products: ProductTiming[];
  entries: Entry[];
  failures: Failure[];
}

/** Large square products of one runtime, measured in the same rounds. */
export interface ProductTiming {
  runtime: Runtime;
  precision: Precision;
  seconds: number[];
}

export interface Failure {
  label: string;
  reason: string;
}

type Start = (runtime: Runtime, how: Pick<ChildSpec, 'mode' | 'precision'>) => Child;

const EAGER = { mode: 'eager', precision: 'float32' } as const;

/** Runs all sizes one after another. A contestant that fails is reported, and the others go on. */
export async function runStepBenchmark(benchmark: StepBenchmark, progress: Progress): Promise<SizeResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-bench-'));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  // torch.compile starts from nothing, as everyone does here: what it compiled yesterday stays out of its first call.
  const inductor = join(folder, 'inductor');
  const env = { ...process.env, TORCHINDUCTOR_CACHE_DIR: inductor, PYTHONDONTWRITEBYTECODE: '1' };
  try {
    const results: SizeResult[] = [];
    for (const workload of benchmark.workloads) {
      const { network, batchSize, tokens } = workload;
      const reference = join(folder, `reference-${tokens}.safetensors`);
      const spec = { network, batchSize, reference, productSize: benchmark.productSize };
      results.push(
        await runSize(benchmark, workload, progress, (runtime, { mode, precision }) =>
          startChild(childCommand(runtime, { ...spec, mode, precision }, benchmark.python), env),
        ),
      );
    }
    return results;
  } finally {
    clean();
    process.off('exit', clean);
  }
}

async function runSize(
  benchmark: StepBenchmark,
  workload: Workload,
  progress: Progress,
  start: Start,
): Promise<SizeResult> {
  const { contestants } = benchmark;
  const { tokens, network, batchSize } = workload;
  progress.say(`${tokens} tokens: parameters, batch, and the prediction to compare with`);
  const writer = start('tensorflow', EAGER);
  await writer.ask('reference').finally(writer.stop);

  const interleaved = fitsTogether(workload, contestants.length);
  const result: SizeResult = {
    workload,
    forwardFlops: countForwardFlops(network, batchSize),
    productFlops: 2 * benchmark.productSize ** 3,
    interleaved,
    pauses: { busyMs: 0, totalMs: 0 },
    products: [],
    entries: [],
    failures: [],
  };
  const runtimes = new Set<Runtime>(['tensorflow', ...contestants.map(({ runtime }) => runtime)]);
  const multipliers = new Map([...runtimes].map((runtime) => [runtime, start(runtime, EAGER)]));
  try {
    for (const [runtime, child] of multipliers) {
      for (const precision of benchmark.precisions) {
        await child.ask(`gemm-${precision}`).then(
          () => result.products.push({ runtime, precision, seconds: [] }),
          (error: Error) =>
            result.failures.push({ label: `${precision} products (${runtime})`, reason: error.message }),
        );
      }
    }
    for (const group of interleaved ? [contestants] : contestants.map((contestant) => [contestant])) {
      await runGroup(group, { ...benchmark, result, multipliers, progress, start });
    }
  } finally {
    await Promise.all([...multipliers.values()].map((child) => child.stop()));
  }
  return result;
}

/** Warms up the contestants of a group, then lets them and the plain products take turns. Adds to `result`. */
async function runGroup(
  group: readonly Contestant[],
  {
    rounds,
    result,
    multipliers,
    progress,
    start,
  }: { rounds: number; result: SizeResult; multipliers: Map<Runtime, Child>; progress: Progress; start: Start },
): Promise<void> {
  const { workload } = result;
  let running: { entry: Entry; child: Child }[] = [];
  const children: Child[] = [];
  const drop = async (contestant: Contestant, child: Child, error: unknown) => {
    result.failures.push({ label: contestant.label, reason: error instanceof Error ? error.message : String(error) });
    running = running.filter((other) => other.child !== child);
    await child.stop();
  };
  try {
    for (const contestant of group) {
      progress.say(`${workload.tokens} tokens, first calls: ${contestant.label}`);
      const child = start(contestant.runtime, contestant);
      children.push(child);
      try {
        const entry = await warmUp(contestant, child);
        const other = result.entries[0] ?? running[0]?.entry;
        if (other) checkSameStep(entry, other);
        running.push({ entry, child });
      } catch (error) {
        await drop(contestant, child, error);
      }
      progress.advance(planContestant(workload, contestant).warmUp);
    }
    for (let round = 0; round < rounds; round++) {
      const where = `${workload.tokens} tokens, round ${round + 1} of ${rounds}`;
      progress.say(`${where}: plain products`);
      for (const { runtime, precision, seconds } of result.products) {
        seconds.push(...(await takeTurn(multipliers.get(runtime)!, `gemm-${precision}`, result.pauses)));
      }
      for (const { entry, child } of rotate(running, round)) {
        progress.say(`${where}: ${entry.contestant.label}`);
        try {
          for (const run of ['forward', 'step'] as const) {
            entry[run].seconds.push(...(await takeTurn(child, run, result.pauses)));
          }
        } catch (error) {
          await drop(entry.contestant, child, error);
        }
        progress.advance(planContestant(workload, entry.contestant).round);
      }
    }
    for (const { entry, child } of running) {
      entry.step.peakBytes = child.memory().peakBytes;
      result.entries.push(entry);
    }
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** Everyone begins a round about equally often. */
const rotate = <T>(list: readonly T[], by: number): T[] => list.map((_, i) => list[(i + by) % list.length]!);

/**
 * Whether all contestants may stay loaded at once: 1.5 GB each while idle, and for the one that works what eager tfjs was
 * seen to take in a step, 1 MB for each token and 20 tensors of attention scores [B, N, L, L].
 */
function fitsTogether({ tokens, batchSize, network }: Workload, count: number): boolean {
  const scoresBytes = 4 * batchSize * network.numHeads * tokens ** 2;
  return 1.5e9 * count + 1e6 * batchSize * tokens + 20 * scoresBytes < freemem();
}
