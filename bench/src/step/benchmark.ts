import { freemem } from 'node:os';
import { join } from 'node:path';
import { startChild } from '../child.ts';
import { childCommand, type Precision, type Runtime } from '../contestant.ts';
import { emptyResult, type GroupResult, runGroup } from '../group.ts';
import { warmUpMultipliers } from '../products.ts';
import type { Progress } from '../progress.ts';
import { withWorkFolder } from '../work-folder.ts';
import { type ChildSpec, type Contestant, PROGRAMS, type StepReply, type StepRequest } from './contestants.ts';
import { countForwardFlops } from './flops.ts';
import { planContestant, TURN_SECONDS } from './plan.ts';
import { checkSameStep, type Entry, warmUp } from './warm-up.ts';
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
export interface SizeResult extends GroupResult<Entry> {
  workload: Workload;
  forwardFlops: number;
  /** All contestants took turns; otherwise one was measured after the other, since memory would not hold all. */
  interleaved: boolean;
}

const EAGER = { mode: 'eager', precision: 'float32' } as const;

/** Runs all sizes one after another. A contestant that fails is reported, and the others go on. */
export const runStepBenchmark = (benchmark: StepBenchmark, progress: Progress): Promise<SizeResult[]> =>
  withWorkFolder(async (folder, env) => {
    const results: SizeResult[] = [];
    for (const workload of benchmark.workloads) {
      const { network, batchSize, tokens } = workload;
      const reference = join(folder, `reference-${tokens}.safetensors`);
      const spec = { network, batchSize, reference, productSize: benchmark.productSize };
      const start = (runtime: Runtime, { mode, precision }: Pick<ChildSpec, 'mode' | 'precision'>) =>
        startChild<StepRequest, StepReply>(
          childCommand(runtime, PROGRAMS, { ...spec, mode, precision } satisfies ChildSpec, benchmark.python),
          env,
        );
      results.push(await runSize(benchmark, workload, progress, start));
    }
    return results;
  });

type Start = (
  runtime: Runtime,
  how: Pick<ChildSpec, 'mode' | 'precision'>,
) => ReturnType<typeof startChild<StepRequest, StepReply>>;

async function runSize(
  { contestants, rounds, productSize, precisions }: StepBenchmark,
  workload: Workload,
  progress: Progress,
  start: Start,
): Promise<SizeResult> {
  const { tokens, network, batchSize } = workload;
  progress.say(`${tokens} tokens: parameters, batch, and the prediction to compare with`);
  const writer = start('tensorflow', EAGER);
  await writer.ask({ run: 'reference' }).finally(writer.stop);

  const interleaved = fitsTogether(workload, contestants.length);
  const runtimes = new Set<Runtime>(['tensorflow', ...contestants.map(({ runtime }) => runtime)]);
  const children = new Map([...runtimes].map((runtime) => [runtime, start(runtime, EAGER)]));
  try {
    const failures: SizeResult['failures'] = [];
    const multipliers = await warmUpMultipliers(children, precisions, productSize, failures);
    const result: SizeResult = {
      ...emptyResult<Entry>(multipliers),
      failures,
      workload,
      forwardFlops: countForwardFlops(network, batchSize),
      interleaved,
    };
    for (const group of interleaved ? [contestants] : contestants.map((contestant) => [contestant])) {
      await runGroup(
        {
          title: `${tokens} tokens`,
          contestants: group,
          start: (contestant) => start(contestant.runtime, contestant),
          async warmUp(contestant, child, [other]) {
            const entry = await warmUp(contestant, child);
            if (other) checkSameStep(entry, other);
            return entry;
          },
          turns: (entry: Entry) =>
            (['forward', 'step'] as const).map((run) => ({ request: { run }, seconds: entry[run].seconds })),
          finish(entry, child) {
            entry.step.peakBytes = child.memory().peakBytes;
          },
          plan: (contestant) => planContestant(workload, contestant),
        },
        { rounds, turnSeconds: TURN_SECONDS, multipliers, progress },
        result,
      );
    }
    return result;
  } finally {
    await Promise.all([...children.values()].map((child) => child.stop()));
  }
}

/**
 * Whether all contestants may stay loaded at once: 1.5 GB each while idle, and for the one that works what eager tfjs was
 * seen to take in a step, 1 MB for each token and 20 tensors of attention scores [B, N, L, L].
 */
function fitsTogether({ tokens, batchSize, network }: Workload, count: number): boolean {
  const scoresBytes = 4 * batchSize * network.numHeads * tokens ** 2;
  return 1.5e9 * count + 1e6 * batchSize * tokens + 20 * scoresBytes < freemem();
}
