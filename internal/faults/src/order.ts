import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

const CALL = /^\d+\s+(pwrite64|fsync|rename)\((.*)\)\s+= (-?\d+)/;
const WRITTEN = /^\d+<([^>]+)>/;
const RENAMED = /^"([^"]+)", "([^"]+)"/;

/**
 * Whether a save survives a power loss, by the list of its system calls that `strace -f -y` wrote to `file`: every file must
 * be synced after its last write and before it, or a folder that it is in, is renamed, and the parent folder after that.
 */
export function checkOrder(file: string): { calls: number; violations: string[] } {
  const calls = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, name, args, result] = CALL.exec(line) ?? [];
      return name && result !== '-1' ? [{ name, args: args! }] : [];
    });
  const violations: string[] = [];
  /** Written and not yet synced. */
  const dirty = new Set<string>();
  /** Folders in which something was renamed since they were synced. */
  const unsettled = new Set<string>();
  for (const { name, args } of calls) {
    if (name === 'rename') {
      const [, from, to] = RENAMED.exec(args)!;
      for (const path of dirty) {
        if (path === from || path.startsWith(`${from}/`))
          violations.push(`${from} is renamed before ${path} is synced`);
      }
      for (const path of unsettled) {
        if (path === from) violations.push(`${from} is renamed before the renames in it are synced`);
      }
      // To such a name goes what is about to be removed: it may come back after a power loss.
      if (!to!.includes('.tmp-')) unsettled.add(dirname(to!));
      continue;
    }
    const path = WRITTEN.exec(args)?.[1];
    if (path === undefined) continue;
    if (name === 'pwrite64') dirty.add(path);
    else {
      dirty.delete(path);
      unsettled.delete(path);
    }
  }
  for (const path of dirty) violations.push(`${path} is never synced`);
  for (const path of unsettled) violations.push(`${path} is not synced after a rename in it`);
  return { calls: calls.length, violations };
}
