import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';

/** The text of a file, in UTF-8 or, where a mark at its beginning says so, in UTF-16. */
export function readText(file: string): string {
  const bytes = readFileSync(file);
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes); // without the mark
}

/** The lines of a text, whatever ends them. */
export const splitLines = (text: string): string[] => text.split(/\r\n|\r|\n/);

/**
 * The rows of a CSV by the names of its columns. Commas, semicolons or tabs part them: what gives a column of the name
 * `column` does. Throws if the file cannot be read as a CSV.
 */
export function readCsv(file: string, column: string): Record<string, string>[] {
  const text = readText(file);
  const header = splitLines(text).find((line) => line.trim() !== '') ?? '';
  const names = (delimiter: string) => header.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  const delimiter = [',', ';', '\t'].find((one) => names(one).includes(column)) ?? ',';
  return parse(text, { columns: true, delimiter, skip_empty_lines: true, trim: true });
}
