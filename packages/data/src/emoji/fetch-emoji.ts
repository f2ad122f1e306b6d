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
import { type EmojiEntry, emojiFolder } from './emoji-cache.ts';

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
/** Names and groups by code point, MIT. */
const NAMES: NpmPackage = {
  spec: 'emojibase-data@17.0.0',
  integrity: 'sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==',
  bytes: 6_711_091,
};

/** Room that the download and what is made of it take, on the disk of the cache. */
const ROOM_MB = 700;

export interface FetchOptions {
  /** Other packages than those that movingEmoji is of. */
  packages?: { emoji: NpmPackage; names: NpmPackage };
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
  packages = { emoji: EMOJI, names: NAMES },
  onProgress = () => {},
  npm = 'npm',
}: FetchOptions = {}): Promise<string> {
  const folder = emojiFolder();
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(`${folder}.tmp-`);
  try {
    const names = await readNames(await fetchPackage(packages.names, temporary, npm, () => {}));
    const archive = await fetchPackage(packages.emoji, temporary, npm, (bytes) =>
      onProgress(Math.min(0.5, bytes / packages.emoji.bytes / 2), 'fetching'),
    );
    const made = join(temporary, 'made');
    await mkdir(made);
    await decodeAll(archive, names, made, (share) => onProgress(0.5 + share / 2, 'decoding'));
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

/** What emojibase says of an emoji, of which there is more. */
interface NamedEmoji {
  hexcode: string;
  label: string;
  group?: number;
  skins?: NamedEmoji[];
}

/** Emojibase's emoji by their code points in small letters. */
async function readNames(archive: string): Promise<Map<string, NamedEmoji>> {
  for await (const [, text] of membersOf(createReadStream(archive), (name) => name === 'package/en/data.json')) {
    const all = (JSON.parse(text.toString()) as NamedEmoji[]).flatMap((one) => [one, ...(one.skins ?? [])]);
    return new Map(all.map((one) => [one.hexcode.toLowerCase(), one]));
  }
  throw new Error(`${basename(archive)} has no en/data.json`);
}

/** Writes every animated emoji that may be used, and their list, into `folder`. */
async function decodeAll(
  archive: string,
  names: Map<string, NamedEmoji>,
  folder: string,
  onProgress: (share: number) => void,
): Promise<void> {
  const codeOf = (name: string) => /^package\/assets\/([0-9a-f-]+)\.webp$/.exec(name)?.[1];
  const entries: EmojiEntry[] = [];
  const stream = createReadStream(archive);
  const { size } = statSync(archive);
  for await (const [name, webp] of membersOf(stream, (one) => ALLOWED_EMOJI.has(codeOf(one) ?? ''))) {
    const code = codeOf(name)!;
    const named = names.get(code) ?? names.get(code.replace('-fe0f', ''));
    if (!named) continue;
    const { label, group } = named;
    await writeFile(join(folder, `${code}.rgba`), await decodeSprite(webp, code));
    entries.push({ code, name: label, group });
    onProgress(stream.bytesRead / size);
  }
  if (entries.length === 0) throw new Error(`${basename(archive)} has no animated emoji`);
  entries.sort((a, b) => (a.code < b.code ? -1 : 1));
  await writeFile(join(folder, 'index.json'), JSON.stringify({ emoji: entries }));
}
