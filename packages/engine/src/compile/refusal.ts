import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Thrown for a function that cannot be compiled: names the op, the line of the function, and the way out. */
export class CompileError extends Error {
  override name = 'CompileError';
}

const HERE = dirname(fileURLToPath(import.meta.url));
const LOCATION = /(?:\(|at )((?:file:\/\/)?[^()\s]+:\d+:\d+)\)?$/;

/** A CompileError about `op`, with the line of the traced function that is running now. */
export function refuse(op: string, reason: string, wayOut: string): CompileError {
  const line = userLine(new Error().stack ?? '');
  return new CompileError(`compile: ${op}${line ? ` at ${line}` : ''}: ${reason}. ${wayOut}`);
}

/**
 * The line within the traced function. In a stack, whose innermost call comes first, the last frame before the tracer's
 * is the function; of the frames in its file the innermost is the line that counts.
 */
function userLine(stack: string): string | undefined {
  const frames = stack.split('\n').slice(1);
  const tracer = frames.findIndex((frame) => frame.includes('callTraced'));
  const inner = tracer === -1 ? frames : frames.slice(0, tracer);
  const places = inner
    .map((frame) => LOCATION.exec(frame)?.[1]?.replace('file://', ''))
    .filter((place) => place !== undefined && isUsers(place)) as string[];
  const file = fileOf(places.at(-1) ?? '');
  return places.find((place) => fileOf(place) === file);
}

const fileOf = (place: string): string => place.replace(/:\d+:\d+$/, '');

/** Neither a library's nor the tracer's own; the tests beside the tracer are its users. */
const isUsers = (place: string): boolean =>
  !place.includes('/node_modules/') &&
  !place.startsWith('node:') &&
  (!place.startsWith(`${HERE}/`) || place.includes('.test.'));
