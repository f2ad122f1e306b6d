import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** A process; the start tells it from a later one with the same number. */
interface Holder {
  pid: number;
  /** In ticks since the machine started. */
  startTime: string;
}

const POLL_MS = 200;

/**
 * Takes the lock of a run's folder, so that two processes cannot train into it, and returns a function that gives it back.
 * The lock of a process that is no more is taken over. One that is held is waited for: its holder may be about to end, as
 * it does when its supervisor is killed. Throws, naming the holder, after `waitSeconds`.
 */
export async function takeLock(file: string, waitSeconds: number): Promise<() => void> {
  // Linked, not written, into its place: another process never reads half of it.
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) }));
  try {
    await acquire(mine, file, waitSeconds);
  } finally {
    rmSync(mine);
  }
  return () => rmSync(file, { force: true });
}

async function acquire(mine: string, file: string, waitSeconds: number): Promise<void> {
  for (let waited = 0; ; waited += POLL_MS / 1000) {
    try {
      return linkSync(mine, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readHolder(file);
    if (!holder) {
      rmSync(file, { force: true });
      continue;
    }
    if (waited >= waitSeconds) throw new Error(describe(holder, file));
    if (waited === 0) console.error(`Waiting for process ${holder.pid}, which is training in this folder, to end.`);
    await setTimeout(POLL_MS);
  }
}

/** Throws, naming the holder, if the lock is held. */
export function assertUnlocked(file: string): void {
  const holder = readHolder(file);
  if (holder) throw new Error(describe(holder, file));
}

const describe = ({ pid }: Holder, file: string) =>
  `process ${pid} is training in this folder (${file}): wait for it, end it with kill ${pid}, or choose another folder with --out`;

/** The process that holds the lock; undefined if there is none, or it is no more. */
function readHolder(file: string): Holder | undefined {
  try {
    const holder: Holder = JSON.parse(readFileSync(file, 'utf8'));
    return startTimeOf(holder.pid) === holder.startTime ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Throws if there is no such process. The 22nd field of its stat; the second, its name, may hold spaces and brackets. */
function startTimeOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
}
