import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child, Request } from './child.ts';

/** CPU time while nothing of the benchmark ran, of all cores together, in milliseconds: what others used, and all. */
export interface Pauses {
  busyMs: number;
  totalMs: number;
}

/** After it, a runtime's idle threads have stopped spinning. */
const SPIN_MS = 50;
/** Then it is measured, for so long, what others use. */
const PAUSE_MS = 100;

/** Lets the process that worked last come to rest; adds to `pauses` what others do meanwhile. */
export async function pause(pauses: Pauses): Promise<void> {
  await sleep(SPIN_MS);
  const before = readCpuTimes();
  await sleep(PAUSE_MS);
  const after = readCpuTimes();
  pauses.busyMs += after.busyMs - before.busyMs;
  pauses.totalMs += after.totalMs - before.totalMs;
}

/** Calls of one kind until `turnSeconds` are over; the seconds of each. */
export async function takeTurn<Asked extends Request>(
  child: Child<Asked>,
  request: Asked,
  turnSeconds: number,
): Promise<number[]> {
  const { seconds } = await child.ask({ ...request, forSeconds: turnSeconds });
  return seconds!;
}

/** Share of all cores that other processes used. */
export const usedByOthers = ({ busyMs, totalMs }: Pauses): number => busyMs / Math.max(1, totalMs);

function readCpuTimes(): Pauses {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    busyMs += all - times.idle;
    totalMs += all;
  }
  return { busyMs, totalMs };
}
