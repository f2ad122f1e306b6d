import { writeFileSync } from 'node:fs';
import type { Runtime } from './contestant.ts';
import { describeMachine, type Machine } from './machine.ts';
import { setUpTorch } from './torch-environment.ts';

/** To standard error, so that standard output holds the report alone. */
export const say = (line: string): void => console.error(line);

/** What every benchmark command begins with. */
export interface Session {
  machine: Machine;
  /** What was left out, and why. */
  skipped: string[];
  skip(line: string): void;
}

export function startSession(): Session {
  const machine = describeMachine();
  if (machine.loadAverage > 0.5) {
    say(`Something else runs here: the load average is ${machine.loadAverage.toFixed(1)}.`);
  }
  const skipped: string[] = [];
  const skip = (line: string) => {
    skipped.push(line);
    say(line);
  };
  return { machine, skipped, skip };
}

/** The Python that the contestants need, and those of them that can be measured: all, or the ones without PyTorch. */
export async function setUpContestants<Contestant extends { runtime: Runtime }>(
  chosen: readonly Contestant[],
  { skip }: Session,
): Promise<{ contestants: readonly Contestant[]; python?: string }> {
  if (!chosen.some(({ runtime }) => runtime === 'torch')) return { contestants: chosen };
  try {
    return { contestants: chosen, python: await setUpTorch(say) };
  } catch (error) {
    skip(`PyTorch is skipped: ${(error as Error).message}`);
    return { contestants: chosen.filter(({ runtime }) => runtime !== 'torch') };
  }
}

/** Prints the report for people, or as JSON; with a name, JSON goes into that file besides. */
export function writeReport<Report>(
  report: Report,
  json: string | true | undefined,
  format: (report: Report) => string,
): void {
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (json === true) return void process.stdout.write(text);
  if (json !== undefined) writeFileSync(json, text);
  console.log(format(report));
  if (json !== undefined) console.log(`\n${json}`);
}
