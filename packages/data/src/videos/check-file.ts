import { accessSync, constants, realpathSync, type Stats, statSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { nameOf, type VideoEntry, VideoError } from './entry.ts';

/** Whether a path is that folder or lies in it; both are real, absolute paths. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/**
 * The real path of an entry's file. Throws a `VideoError` unless it is a regular file inside `root`, links followed, that may
 * be read and has at most `maxBytes`: a folder, a pipe or a device is never opened.
 */
export function checkFile(root: string, entry: VideoEntry, maxBytes: number): string {
  const name = nameOf(entry);
  let path: string;
  let stat: Stats;
  try {
    path = realpathSync(resolve(root, entry.path));
    stat = statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new VideoError('missing', `${name} cannot be found (${code}): ${wayToFile(root, entry.path)}`);
    }
    throw new VideoError('unreadable', `${name} cannot be read (${code}): make it readable, or move it away`);
  }
  if (!isInside(realpathSync(root), path)) {
    throw new VideoError('outside', `${name} leads out of ${root}, where paths begin; copy it into that folder`);
  }
  if (!stat.isFile()) throw new VideoError('not-a-file', `${name} is no regular file`);
  const bytes = entry.member?.bytes ?? stat.size;
  if (bytes === 0) throw new VideoError('format', `${name} is empty`);
  if (bytes > maxBytes) {
    throw new VideoError('too-large', `${name} has ${bytes} bytes, over the cap of ${maxBytes}; raise it`);
  }
  try {
    accessSync(path, constants.R_OK);
  } catch {
    throw new VideoError('unreadable', `${name} may not be read by this user; give it the right to`);
  }
  return path;
}

/** How the path of a file that is not there ought to be written. */
function wayToFile(root: string, path: string): string {
  const expected = `give its path from ${root} on`;
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(path)) return `it is a URL; download the file and ${expected}`;
  if (/^[a-z]:\//i.test(path)) return `it begins with a drive; ${expected}`;
  if (path.startsWith('~')) return `~ stands for no folder here; ${expected}`;
  return isAbsolute(path) ? 'its path is absolute, and nothing is there' : `paths begin at ${root}`;
}
