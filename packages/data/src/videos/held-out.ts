import { createHash } from 'node:crypto';
import { readPathList } from './class-lists.ts';
import { readIndex, readRejected } from './shards.ts';

/** The part of prepared videos that training never sees: a share of them in (0, 1), or a file that lists their paths. */
export type HeldOut = number | string;

/**
 * Tells by its path, as the index of the shards in `folder` has it, whether a video is held out. Of a share, a hash of the path alone
 * decides: videos that come or go move no other one to the other part, and the parts of one film stay together. A list has a path on each
 * line. Throws if the list cannot be read, is empty, or names a video that the folder was not made from.
 */
export function heldOutVideos(folder: string, heldOut: HeldOut): (path: string) => boolean {
  if (typeof heldOut === 'number') return (path) => hashPath(path) < heldOut;
  const listed = readList(heldOut);
  const paths = readIndex(folder).shards.flatMap(({ videos }) => videos.map(({ path }) => path));
  const known = new Set([...paths, ...readRejected(folder).map(({ path }) => path)]);
  const stranger = listed.find(({ path }) => !known.has(path));
  if (stranger) {
    throw new Error(
      `${stranger.where}: ${folder} was made from no video '${stranger.path}'; its index.json has the paths, such as '${paths[0]}'`,
    );
  }
  const held = new Set(listed.map(({ path }) => path));
  return (path) => held.has(path);
}

/** A number in [0, 1) of a path alone. */
const hashPath = (path: string): number => createHash('sha256').update(path).digest().readUInt32BE() / 2 ** 32;

function readList(list: string): ReturnType<typeof readPathList> {
  const wayOut = 'give a share, such as data.heldOut=0.05, or a file with the path of a video on each line';
  let listed: ReturnType<typeof readPathList>;
  try {
    listed = readPathList(list);
  } catch (error) {
    throw new Error(`data.heldOut: ${list} cannot be read (${(error as NodeJS.ErrnoException).code}); ${wayOut}`);
  }
  if (listed.length === 0) throw new Error(`data.heldOut: ${list} lists no video; ${wayOut}`);
  return listed;
}
