import { realpathSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { nameOf, type VideoEntry, VideoError } from './entry.ts';

/**
 * The real path of an entry's file. Throws a `VideoError` unless it is a regular file inside `root`, links followed, of at
 * most `maxBytes`: a folder, a pipe or a device is never opened.
 */
export function checkFile(root: string, entry: VideoEntry, maxBytes: number): string {
  let path: string;
  try {
    path = realpathSync(join(root, entry.path));
  } catch (error) {
    throw new VideoError('missing', `${nameOf(entry)} cannot be found (${(error as NodeJS.ErrnoException).code})`);
  }
  const inside = relative(realpathSync(root), path);
  if (inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new VideoError('outside', `${nameOf(entry)} leads out of ${root}; copy it into that folder`);
  }
  const stat = statSync(path);
  if (!stat.isFile()) throw new VideoError('not-a-file', `${nameOf(entry)} is no regular file`);
  const bytes = entry.member?.bytes ?? stat.size;
  if (bytes === 0) throw new VideoError('format', `${nameOf(entry)} is empty`);
  if (bytes > maxBytes) {
    throw new VideoError('too-large', `${nameOf(entry)} has ${bytes} bytes, over the cap of ${maxBytes}; raise it`);
  }
  return path;
}
