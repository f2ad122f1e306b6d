/** A cell that is a number, with or without a unit, or stands for a missing one. */
const NUMBER = /^(-?\d.*|-|NaN|)$/;

/** Cells of text under a head; every row has as many as the head. */
export interface Table {
  head: string[];
  rows: string[][];
}

/** The table of at least one row; each names its cells, all of them the same. */
export const tableOf = (rows: readonly Readonly<Record<string, string>>[]): Table => ({
  head: Object.keys(rows[0]!),
  rows: rows.map((row) => Object.values(row)),
});

/** A table in Markdown, columns of numbers to the right; every row has as many cells as the head. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const isNumeric = head.map((_, column) => rows.every((cells) => NUMBER.test(cells[column]!)));
  return [line(head), line(isNumeric.map((right) => (right ? '--:' : '---'))), ...rows.map(line)].join('\n');
}

/** A table as text, '' without rows. Columns are as wide as their widest cell, the first to the left, the others to the right. */
export function textTable(rows: readonly (readonly string[])[], gap = '  '): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const pad = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!));
  return rows.map((cells) => cells.map(pad).join(gap)).join('\n');
}
