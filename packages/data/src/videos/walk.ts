import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isInside } from './check-file.ts';
import type { Rejection, RejectionCode } from './entry.ts';

/**
 * The files below a folder in the order of their paths, which begin at `root` and have forward slashes. Links to folders are
 * followed if they stay below `root` and lead neither to a folder that they lie in nor on to further links. Those that
 * are not followed, broken links, folders that cannot be read, and folders that `isFile` takes for files, are rejected.
 */
export function walk(root: string, isFile: (path: string) => boolean): { paths: string[]; rejected: Rejection[] } {
  const top = realpathSync(root);
  const paths: string[] = [];
  const rejected: Rejection[] = [];
  const reject = (path: string, code: RejectionCode, problem: string) =>
    rejected.push({ path, code, problem: `${path} ${problem}` });
  const rejectUnreadable = (path: string, error: unknown) =>
    reject(path, 'unreadable', `cannot be read (${codeOf(error)}): make it readable, or move it away`);

  function visit(folder: string, isLinked: boolean): void {
    let children: Dirent[];
    try {
      children = readdirSync(join(root, folder), { withFileTypes: true });
    } catch (error) {
      rejectUnreadable(folder || '.', error);
      return;
    }
    for (const child of children.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder ? `${folder}/${child.name}` : child.name;
      if (child.isSymbolicLink()) visitLink(folder, path, isLinked);
      else if (!child.isDirectory()) paths.push(path);
      else if (isFile(path)) reject(path, 'not-a-file', 'is a folder');
      else visit(path, isLinked);
    }
  }

  function visitLink(folder: string, path: string, isLinked: boolean): void {
    let [here, target, isFolder] = ['', '', false];
    try {
      here = realpathSync(join(root, folder));
      target = realpathSync(join(root, path));
      isFolder = statSync(target).isDirectory();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') reject(path, 'missing', 'is a link to what is not there: mend or remove it');
      else rejectUnreadable(path, error);
      return;
    }
    if (!isFolder) paths.push(path);
    else if (isFile(path)) reject(path, 'not-a-file', 'is a link to a folder');
    else if (!isInside(top, target)) {
      reject(path, 'outside', `is a link that leads out of ${root}, to ${target}: copy that folder here in its place`);
    } else if (isInside(target, here)) {
      reject(path, 'outside', 'is a link to a folder that it lies in itself: remove it');
    } else if (isLinked) {
      reject(
        path,
        'outside',
        'is a link within a linked folder, and only one is followed: link to its target directly',
      );
    } else visit(path, true);
  }

  visit('', false);
  return { paths, rejected };
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
