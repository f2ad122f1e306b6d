import { join } from 'node:path';
import { writeSafetensors } from '@eflow/checkpoint';
import { integer, namesAmong, textTable } from '@eflow/cli';
import { listI3DTensors } from '@eflow/fvd';
import { philoxNormal, philoxUniform } from '@eflow/tensor';
import type { Command } from 'commander';
import type { Reply, Request } from '../child.ts';
import { type Contestant, type Failure, type Runtime, startContestant } from '../contestant.ts';
import {
  dateReport,
  formatFailure,
  formatHead,
  formatOthers,
  quartiles,
  type ReportHead,
  tableLines,
} from '../format.ts';
import { emptyResult, type GroupResult, runGroup, usedByOthers } from '../group.ts';
import {
  createRecorder,
  JSON_OPTION,
  listOption,
  type Progress,
  type Session,
  setUpContestants,
  startSession,
  withWorkFolder,
} from '../session.ts';
import { type Summary, summarise } from '../statistics.ts';

const CONTESTANTS: readonly Contestant[] = [
  { name: 'eager', label: 'tfjs eager', runtime: 'tensorflow', mode: 'eager' },
  { name: 'compiled', label: 'compiled', runtime: 'tensorflow', mode: 'compiled' },
  { name: 'torch', label: 'PyTorch eager', runtime: 'torch', mode: 'eager' },
  { name: 'torch-compile', label: 'torch.compile', runtime: 'torch', mode: 'compiled' },
];

/** How logits may differ from eager tfjs': the largest error over the largest value. */
const TOLERANCE = 1e-4;

/** What a child process is told when it starts, as JSON in its one argument. */
export interface ChildSpec extends Pick<Contestant, 'mode'> {
  /** With inputs.safetensors of I3D's state_dict and `clips` [B, F, 224, 224, 3], and logits.safetensors with `logits`. */
  folder: string;
}

/** Programs of the child processes. */
const PROGRAMS: Readonly<Record<Runtime, URL>> = {
  tensorflow: new URL('tfjs-child.ts', import.meta.url),
  torch: new URL('../../torch/i3d_child.py', import.meta.url),
};

/** `hello` loads the weights; `reference` writes the logits; `check` compares with them. */
export type I3DRequest = Request<'hello' | 'reference' | 'forward' | 'check'>;

export interface I3DReply extends Reply {
  /** To `check`: largest error over largest value. */
  difference?: number;
}

interface Flags {
  clips: number;
  frames: number;
  rounds: number;
  only: string[];
  json?: string | true;
}

const SIDE = 224;
const NAMES = CONTESTANTS.map(({ name }) => name);
/** Calls shorter than this are repeated until a turn has taken as long. */
const TURN_SECONDS = 2;

interface Entry {
  contestant: Contestant;
  version: string;
  firstSeconds: number;
  /** How far it is from eager tfjs' logits: largest error over largest value. */
  difference: number;
  seconds: number[];
}

interface FvdReport extends ReportHead {
  clips: number;
  /** Frames, height, width. */
  clip: [number, number, number];
  rounds: number;
  usedByOthers: number;
  entries: (Omit<Entry, 'seconds' | 'contestant'> &
    Pick<Contestant, 'name' | 'label'> & {
      calls: number;
      videosPerSecond: Summary;
      /** The median of PyTorch's fastest over this one's: above 1 is faster. */
      timesTorch?: number;
    })[];
  failures: Failure[];
}

export function addFvdCommand(program: Command): void {
  program
    .command('fvd')
    .description(
      'I3D on random weights, the network that FVD is of: TensorFlow.js op by op and compiled, and PyTorch, in turns.',
    )
    .option('--clips <n>', 'of a batch', integer(1), 2)
    .option('--frames <n>', `of a clip of ${SIDE}x${SIDE}, from 9 on`, integer(9), 16)
    .option('--rounds <n>', 'turns that each contestant takes', integer(1), 7)
    .addOption(listOption('--only <list>', `contestants: ${NAMES.join(', ')}`, namesAmong(NAMES), NAMES, 'all'))
    .option(...JSON_OPTION)
    .action(fvdBenchmark);
}

async function fvdBenchmark(flags: Flags): Promise<void> {
  const record = createRecorder(flags.json, formatReport);
  const session = startSession();
  const chosen = CONTESTANTS.filter(({ name }) => flags.only.includes(name));
  const { contestants, python } = await setUpContestants(chosen, session);
  if (contestants.length === 0) throw new Error('no contestant is left to measure; choose others with --only');
  const reportOn = (result: GroupResult<Entry>) => createReport(flags, session, result);
  await record(contestants.length * (1 + flags.rounds), async (progress, keep) =>
    reportOn(await measure(flags, contestants, python, progress, (result) => keep(reportOn(result)))),
  );
}

const measure = (
  { clips, frames, rounds }: Flags,
  contestants: readonly Contestant[],
  python: string | undefined,
  progress: Progress,
  onRound: (result: GroupResult<Entry>) => void,
) =>
  withWorkFolder(async (folder, env) => {
    await writeInputs(join(folder, 'inputs.safetensors'), [clips, frames, SIDE, SIDE, 3]);
    const start = ({ runtime, mode }: Pick<Contestant, 'runtime' | 'mode'>) => {
      const spec: ChildSpec = { mode, folder };
      return startContestant<I3DRequest, I3DReply>(runtime, PROGRAMS, spec, { env, python });
    };
    const writer = start({ runtime: 'tensorflow', mode: 'eager' });
    await writer.ask({ run: 'reference' }).finally(() => writer.stop());
    const result = emptyResult<Entry>([]);
    await runGroup<Contestant, I3DRequest, I3DReply, Entry>(
      {
        title: `${clips} clips of ${frames}x${SIDE}x${SIDE}`,
        contestants,
        start,
        async warmUp(contestant, child) {
          const { version } = await child.ask({ run: 'hello' });
          const { seconds } = await child.ask({ run: 'forward' });
          const { difference } = await child.ask({ run: 'check' });
          if (!(difference! <= TOLERANCE)) throw new Error(`its logits differ from eager tfjs' by ${difference}`);
          await child.ask({ run: 'forward', forSeconds: TURN_SECONDS });
          return { contestant, version: version!, firstSeconds: seconds![0]!, difference: difference!, seconds: [] };
        },
        turns: ({ seconds }) => [{ request: { run: 'forward' }, seconds }],
      },
      { rounds, turnSeconds: TURN_SECONDS, multipliers: [], progress, onRound: () => onRound(result) },
      result,
    );
    return result;
  });

/** Random weights by PyTorch's names, such that activations keep their size, and clips in [-1, 1]. */
async function writeInputs(file: string, shape: number[]): Promise<void> {
  const size = (of: readonly number[]) => of.reduce((a, b) => a * b, 1);
  const tensors = listI3DTensors().map(({ name, shape: of }, i) => {
    const normal = philoxNormal([7, i], size(of));
    const scale = of.length > 1 ? Math.sqrt(2 / size(of.slice(1))) : 0.1;
    const center = name.endsWith('running_var') || name.endsWith('bn.weight') ? 1 : 0;
    return [name, { dtype: 'F32', shape: of, data: normal.map((x) => center + scale * x) }] as const;
  });
  const clips = philoxUniform([8, 0], size(shape)).map((x) => 2 * x - 1);
  await writeSafetensors(file, [...tensors, ['clips', { dtype: 'F32', shape, data: clips }]]);
}

function createReport(
  { clips, frames, rounds }: Flags,
  { machine, skipped }: Session,
  { entries, failures, pauses }: GroupResult<Entry>,
): FvdReport {
  const medianOf = ({ seconds }: Entry) => summarise(seconds).median;
  const torch = entries.filter(({ contestant }) => contestant.runtime === 'torch').map(medianOf);
  return {
    machine,
    ...dateReport(entries),
    skipped,
    clips,
    clip: [frames, SIDE, SIDE],
    rounds,
    usedByOthers: usedByOthers(pauses),
    failures,
    entries: entries.map((entry) => {
      const { contestant, seconds, ...rest } = entry;
      return {
        ...rest,
        name: contestant.name,
        label: contestant.label,
        calls: seconds.length,
        videosPerSecond: summarise(seconds.map((one) => clips / one)),
        timesTorch: torch.length > 0 ? Math.min(...torch) / medianOf(entry) : undefined,
      };
    }),
  };
}

function formatReport(report: FvdReport): string {
  const rows = report.entries.map(({ label, videosPerSecond, timesTorch, firstSeconds, difference }) => ({
    '': label,
    'videos/s': videosPerSecond.median.toFixed(2),
    quartiles: quartiles(videosPerSecond, (rate) => rate.toFixed(2)),
    'x PyTorch': timesTorch?.toFixed(2) ?? '-',
    'first s': firstSeconds.toFixed(1),
    difference: difference.toExponential(0),
  }));
  return [
    formatHead(report),
    `\nI3D, random weights, batches of ${report.clips} clips of ${report.clip.join('x')}; ${report.rounds} rounds, in each of which everyone took a turn`,
    formatOthers(report.usedByOthers),
    ...report.failures.map(formatFailure),
    '',
    textTable(tableLines(rows)),
    "\nx PyTorch: the median of its fastest over this one's; above 1 is faster. difference: from eager tfjs, of the largest logit",
  ].join('\n');
}
