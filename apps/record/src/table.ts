import { countOf, formatNumber, markdownTable, mean, percent, tableOf } from '@eflow/cli';
import { COMPARED_PASSES, type Entry, type Figures, findRecord, RECORD_SEEDS, scoresAt } from '@eflow/record';

const HEAD = `# The record: what digits-tiny learns in 3 and in 10 minutes

Whatever makes training better or faster shows here: method, kernels, compiler and recipe. Try to beat it. Change what you like, commit, and
run on an idle machine

    pnpm record --change "what was changed"

It trains for 3 and for 10 minutes with three seeds each, measures, and adds a line to each table. That takes 45 minutes. Without \`--change\` it
only prints the figures, so that you can try an idea; \`pnpm record --help\` says more.

## Rules

- The preset is \`digits-tiny\` by its name, as it stands at the commit. Its network, objective, optimizer and schedules may change.
- The data stay: moving digits, 8 frames of 16x16, trained on their training split alone.
- The classifier that measures, and its weights, must not be used in training, nor to choose among clips, checkpoints or seeds.
- Two cores, no GPU, nothing else running. On a larger machine: \`taskset --cpu-list 0,1 pnpm record\`.
- Seeds ${RECORD_SEEDS.join(', ')}. The record, in bold, is the lowest mean distance in ${COMPARED_PASSES} passes.

## How it is timed and measured

- Seconds count from the beginning of the first step to the end of the last. Compiling, waiting for data and writing checkpoints on the
  way count. Starting the process, loading the data and measuring do not. Previews are switched off.
- Schedules run over steps ([decision 4](../decisions/0004-schedules-run-over-steps.md)), so the steps are fixed beforehand: 500 are timed, then
  a run is given as many as fill 95 % of its minutes. A machine that becomes slower does not get more time: the clock ends the run, and the
  table says "900 of 1,000" steps. The same seed and the same steps give the same weights on the
  same machine, to the bit.
- 1,000 clips are compared with 1,000 held-out ones, sampled with the EMA weights of the last checkpoint. Distance: Frechet distance of our
  digits classifier's features; it is not FVD. Class right: the share of clips in which the classifier sees the digit asked for. Consistency:
  the share of clips in which it sees the same digit in every frame.
- Figures are means over the seeds, with the lowest and the highest seed in brackets. The last row compares real clips with other real clips:
  the floor.

\`pnpm record --table\` makes this page from [record.json](record.json), which has the figures of each seed.
`;

/** The page of all entries: rules, and two tables for each number of minutes. */
export function formatRecord(entries: readonly Entry[]): string {
  const minutes = [...new Set(entries.map((entry) => entry.minutes))].sort((a, b) => a - b);
  const sections = minutes.map((value) => formatMinutes(entries, value));
  return [HEAD, ...(sections.length > 0 ? sections : ['There is no entry yet.\n'])].join('\n');
}

/** The entries of so many minutes, oldest first: at 4 passes, and at every number of passes. Throws on none. */
export function formatMinutes(entries: readonly Entry[], minutes: number): string {
  const record = findRecord(entries, minutes);
  const those = entries.filter((entry) => entry.minutes === minutes);
  return `## After ${countOf(minutes, 'minute')}

${formatTable(those, record)}

Distance, class right and consistency at every number of passes, means over the seeds:

${formatPasses(those)}
`;
}

/** The entries at 4 passes, one a row, and the real clips of the last. */
function formatTable(entries: readonly Entry[], record?: Entry): string {
  const rows = entries.map((entry) => {
    const { seeds } = entry;
    const figures = describeFigures(scoresAt(entry, COMPARED_PASSES));
    return {
      date: entry.date,
      'what was changed': entry.change,
      ...figures,
      ...(entry === record && { distance: `**${figures.distance}**` }),
      seeds: seeds.map(({ seed }) => seed).join(', '),
      steps: describeSteps(entry),
      seconds: describeSpread(seeds.map(({ seconds }) => seconds)),
      'ms a step': describeSpread(seeds.map(({ stepSeconds }) => 1000 * stepSeconds)),
      commit: entry.commit,
      machine: describeMachine(entry),
    };
  });
  const { head, rows: cells } = tableOf(rows);
  const real = { 'what was changed': 'real clips', ...describeFigures(entries.at(-1)!.seeds.map((seed) => seed.real)) };
  return markdownTable(head, [...cells, head.map((column) => (real as Record<string, string>)[column] ?? '-')]);
}

/** The entries at every number of passes: the means of the three figures in a cell. */
function formatPasses(entries: readonly Entry[]): string {
  const rows = entries.map((entry) => {
    const cells = entry.seeds[0]!.scores.map(({ passes }) => {
      const scores = scoresAt(entry, passes);
      const means = [
        formatNumber(mean(scores.map(({ frechetDistance }) => frechetDistance))),
        formatShare(mean(scores.map(({ classAccuracy }) => classAccuracy))),
        formatShare(mean(scores.map(({ frameConsistency }) => frameConsistency))),
      ];
      return [countOf(passes, 'pass', 'passes'), means.join(', ')];
    });
    return { date: entry.date, 'what was changed': entry.change, ...Object.fromEntries(cells) };
  });
  const { head, rows: cells } = tableOf(rows);
  return markdownTable(head, cells);
}

const describeFigures = (all: readonly Figures[]) => ({
  distance: describeSpread(all.map(({ frechetDistance }) => frechetDistance)),
  'class right': describeSpread(
    all.map(({ classAccuracy }) => classAccuracy),
    formatShare,
  ),
  consistency: describeSpread(
    all.map(({ frameConsistency }) => frameConsistency),
    formatShare,
  ),
});

const formatShare = (share: number) => percent(share, 1);

/** The mean, and the lowest and the highest where they are written differently. */
function describeSpread(values: readonly number[], format = formatNumber): string {
  const [low, high] = [format(Math.min(...values)), format(Math.max(...values))];
  return low === high ? format(mean(values)) : `${format(mean(values))} (${low} to ${high})`;
}

/** The steps of each seed, or of the seed that made fewest where the clock ended one. */
function describeSteps({ plannedSteps, seeds }: Entry): string {
  const fewest = Math.min(...seeds.map(({ steps }) => steps));
  const planned = plannedSteps.toLocaleString('en');
  return fewest < plannedSteps ? `${fewest.toLocaleString('en')} of ${planned}` : planned;
}

const describeMachine = ({ machine: { cpu, cores, memoryBytes } }: Entry) =>
  `${cpu}, ${cores} cores, ${(memoryBytes / 1e9).toFixed(0)} GB`;
