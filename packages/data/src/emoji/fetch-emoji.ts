import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  type ReadStream,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline as pipe } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { ALLOWED_EMOJI } from './allowed-emoji.ts';
import { decodeSprite } from './decode-sprite.ts';
import { emojiFolder } from './emoji-cache.ts';

/** A package of the npm registry by its exact version and the hash of its archive. */
export interface NpmPackage {
  /** What npm calls it, such as `name@1.0.0`; or a folder of it. */
  spec: string;
  /** As npm writes it, `sha512-` and base64. */
  integrity: string;
  bytes: number;
}

/** Microsoft's Fluent animated emoji, MIT: the first of four packages, in the order of code points; 65 animals are in it. */
const EMOJI: NpmPackage = {
  spec: '@lobehub/fluent-emoji-anim-1@1.0.0',
  integrity: 'sha512-/4m31vAuZEQ4aUJ5pxcOU5PVkuJya55GRxUZL7+zgLlxZXpzzE8jPqpDyhZICE3n47nS/Y9M5/vLdizi8201QA==',
  bytes: 164_966_217,
};

/** Room that the download and what is made of it take, on the disk of the cache. */
const ROOM_MB = 700;

export interface FetchOptions {
  /** Another package than that which movingEmoji is of. */
  emoji?: NpmPackage;
  /** Is told which share of all is done, in [0, 1], and what is done now. */
  onProgress?: (share: number, doing: string) => void;
  /** The command that fetches; npm unless given. */
  npm?: string;
}

/**
 * Takes the animated emoji from npm, by exact version and hash, decodes them and keeps them in the cache; does nothing where they are. A
 * folder of them appears whole or not at all. Returns it. Throws where npm is missing or fails, a package has another hash, the disk fills
 * or a file cannot be decoded.
 */
export async function fetchEmoji({
  emoji = EMOJI,
  onProgress = () => {},
  npm = 'npm',
}: FetchOptions = {}): Promise<string> {
  const folder = emojiFolder();
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(`${folder}.tmp-`);
  try {
    const archive = await fetchPackage(emoji, temporary, npm, (bytes) =>
      onProgress(Math.min(0.5, bytes / emoji.bytes / 2), 'fetching'),
    );
    const made = join(temporary, 'made');
    await mkdir(made);
    await decodeAll(archive, made, (share) => onProgress(0.5 + share / 2, 'decoding'));
    renameSync(made, folder);
    return folder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw diskFull(folder);
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY' && existsSync(folder)) return folder; // another process was first
    throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const diskFull = (folder: string) =>
  new Error(
    `the disk of ${folder} is full; the emoji need ${ROOM_MB} MB while they are made: make room, or set EFLOW_CACHE to a folder on another disk`,
  );

/** The archive of a package, in `folder`. */
async function fetchPackage(
  { spec, integrity }: NpmPackage,
  folder: string,
  npm: string,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const cache = join(folder, 'npm');
  const target = mkdtempSync(join(folder, 'package-'));
  const timer = setInterval(() => onBytes(sizeOf(cache)), 1000);
  try {
    // A cache of its own: the archive is not kept twice, and its size shows the progress.
    const args = ['pack', spec, '--pack-destination', target, '--cache', cache, '--silent'];
    await promisify(execFile)(npm, args);
  } catch (error) {
    const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') {
      throw new Error(`npm, which fetches ${spec}, was not found: install it (it comes with Node.js)`);
    }
    if (/ENOSPC/.test(stderr)) throw diskFull(folder);
    const said = stderr.trim() || message;
    throw new Error(
      `npm could not fetch ${spec}: ${said}\nCheck the network, and what npm is set up with (npm config list)`,
    );
  } finally {
    clearInterval(timer);
    rmSync(cache, { recursive: true, force: true });
  }
  const archive = join(target, readdirSync(target)[0]!);
  const hash = createHash('sha512');
  await pipeline(createReadStream(archive), hash);
  const found = `sha512-${hash.digest('base64')}`;
  if (found === integrity) return archive;
  throw new Error(
    `${spec} has the hash ${found}, not ${integrity}: npm gave another package; check which registry it is set up with (npm config get registry)`,
  );
}

/** Bytes of all files below a folder; files may come and go meanwhile. */
function sizeOf(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => statSync(join(folder, name), { throwIfNoEntry: false }))
      .reduce((sum, stats) => sum + (stats?.isFile() ? stats.size : 0), 0);
  } catch {
    return 0;
  }
}

/** The files of an archive whose names pass, one at a time. */
async function* membersOf(
  archive: ReadStream,
  isWanted: (name: string) => boolean,
): AsyncGenerator<[name: string, Buffer]> {
  const members = extract();
  // What fails ends the loop below, and what ends the loop closes the file.
  pipe(archive, createGunzip(), members, () => {});
  for await (const member of members) {
    if (isWanted(member.header.name)) yield [member.header.name, await buffer(member)];
    else member.resume();
  }
}

/** Writes every animated emoji that may be used into `folder`. */
async function decodeAll(archive: string, folder: string, onProgress: (share: number) => void): Promise<void> {
  const codeOf = (name: string) => /^package\/assets\/([0-9a-f-]+)\.webp$/.exec(name)?.[1];
  const stream = createReadStream(archive);
  const { size } = statSync(archive);
  let found = 0;
  for await (const [name, webp] of membersOf(stream, (one) => ALLOWED_EMOJI.has(codeOf(one) ?? ''))) {
    const code = codeOf(name)!;
    await writeFile(join(folder, `${code}.rgba`), await decodeSprite(webp, code));
    found++;
    onProgress(stream.bytesRead / size);
  }
  if (found === 0) throw new Error(`${basename(archive)} has no animated emoji`);
}
