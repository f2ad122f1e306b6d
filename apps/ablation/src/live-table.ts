import type { Cell } from './study.ts';

/** What all cells of a study do now. */
export interface LiveTable {
  /** Where there is no terminal an event is a line at once; other states may be left out. */
  show(cell: Cell, state: string, isEvent: boolean): void;
  /** The line below. */
  summarise(text: string): void;
  /** Lines above it. */
  print(text: string): void;
  /** Leaves the table where it is. */
  stop(): void;
}

/** So long nothing is said where there is no terminal; then the newest state is told again. */
const QUIET_MS = 10_000;

/**
 * A line for each cell, with a state for each of its seeds, redrawn in place; on a low or no terminal a line per event, and
 * one at least every ten seconds.
 */
export function createLiveTable(cells: readonly Cell[], stream = process.stdout): LiveTable {
  const label = ({ base, name }: Cell) => `${base} ${name}`;
  const rows = new Map<string, Map<number, string>>();
  for (const cell of cells) {
    rows.set(label(cell), (rows.get(label(cell)) ?? new Map()).set(cell.seed, 'waiting'));
  }
  const isLive = stream.isTTY && rows.size + 2 < stream.rows;
  const width = Math.max(...[...rows.keys()].map((name) => name.length));
  let summary = '';
  let drawn = 0;
  let newest = '';
  const heartbeat = setInterval(() => !isLive && newest && stream.write(newest), QUIET_MS).unref();
  const draw = () => {
    const lines = [...rows].map(([name, states]) => `${name.padEnd(width)}  ${[...states.values()].join(' | ')}`);
    const text = [...lines, summary].map((line) => `\x1b[2K${line.slice(0, stream.columns - 1)}\n`).join('');
    stream.write((drawn > 0 ? `\x1b[${drawn}A` : '') + text);
    drawn = lines.length + 1;
  };
  return {
    show(cell, state, isEvent) {
      rows.get(label(cell))!.set(cell.seed, state);
      newest = `${label(cell)}, seed ${cell.seed}: ${state}\n`;
      if (isLive) return draw();
      if (!isEvent) return;
      stream.write(newest);
      heartbeat.refresh();
    },
    summarise(text) {
      if (text === summary) return;
      summary = text;
      if (isLive) draw();
    },
    print(text) {
      if (isLive && drawn > 0) stream.write(`\x1b[${drawn}A\x1b[J`);
      stream.write(`${text}\n`);
      drawn = 0;
      if (isLive) draw();
    },
    stop() {
      drawn = 0;
      clearInterval(heartbeat);
    },
  };
}
