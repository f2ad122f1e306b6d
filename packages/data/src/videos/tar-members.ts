import { createReadStream, statSync } from 'node:fs';
import { extname } from 'node:path/posix';
import { text as readText } from 'node:stream/consumers';
import { extract, type Headers } from 'tar-stream';
import type { VideoEntry } from './entry.ts';
import { countOther, createListing, type Listing, toText } from './listing.ts';
import { isAppleDouble, kindOfName, unreadProblem } from './video-endings.ts';

/** The most bytes of a class or a caption. */
const MAX_TEXT_BYTES = 2 ** 20;
const MAX_NAME_LENGTH = 512;

type SampleText = Pick<VideoEntry, 'label' | 'caption'>;

/**
 * The videos in a WebDataset shard. Members of one name but for its ending are a sample: `.cls` holds the class, `.txt` the
 * caption, and `.json` both, as `label` and `caption`. Those of `take.v1.mp4` are named `take.v1` or, as WebDataset has it,
 * `take`, up to the first dot. Nothing is written: a video is read from where it lies in the tar. Members that are no regular
 * files, whose names lead elsewhere or stand twice, are rejected; so is what follows damage. `path` is how the tar is named in
 * the listing.
 */
export async function listTar(file: string, path: string): Promise<Listing> {
  const listing = createListing();
  const reject = (name: string, problem: string) =>
    listing.rejected.push({ path: `${path}!${name}`, code: 'listing', problem });
  const unread: string[] = [];
  const videos = new Map<string, NonNullable<VideoEntry['member']>>();
  const texts = new Map<string, SampleText>();
  const names = new Set<string>();

  const tar = extract();
  const source = createReadStream(file);
  source.on('error', (error) => tar.destroy(error));
  source.pipe(tar);
  try {
    for await (const member of tar) {
      const { header } = member;
      const { name, size = 0 } = header;
      const problem = findProblem(header, names);
      names.add(name);
      const key = withoutEnding(name);
      const ending = name.slice(key.length).toLowerCase();
      const kind = kindOfName(name);
      if (header.type === 'directory') {
        // holds nothing
      } else if (kind === 'skipped') listing.skipped++;
      else if (problem) reject(name, problem);
      else if (kind === 'unread') unread.push(name);
      else if (kind === 'video') {
        if (videos.has(key)) reject(name, `a second video of the sample ${key}`);
        else videos.set(key, { name, offset: offsetOf(header), bytes: size });
      } else if (['.cls', '.txt', '.json'].includes(ending) && !isAppleDouble(name)) {
        if (size > MAX_TEXT_BYTES) reject(name, `has ${size} bytes, over the cap of ${MAX_TEXT_BYTES} for text`);
        else {
          const text = await readText(member);
          try {
            texts.set(key, { ...texts.get(key), ...parseText(ending, text) });
          } catch (error) {
            reject(name, (error as Error).message);
          }
          continue;
        }
      } else countOther(listing, name);
      member.resume();
    }
  } catch (error) {
    listing.rejected.push({
      path,
      code: 'listing',
      problem: `the tar is damaged or cut off: ${(error as Error).message}; what comes after is not used`,
    });
  }
  const textOf = (key: string): SampleText => ({ ...texts.get(upToFirstDot(key)), ...texts.get(key) });
  const fileBytes = statSync(file).size;
  for (const [key, member] of videos) {
    if (member.offset + member.bytes > fileBytes) continue; // cut off, which the reader has said
    listing.entries.push({ path, member, ...textOf(key) });
  }
  for (const name of unread) {
    const { label } = textOf(withoutEnding(name));
    listing.rejected.push({ path: `${path}!${name}`, label, code: 'format', problem: unreadProblem(name) });
  }
  return listing;
}

/** Why a member is not taken; its name never becomes a path, but who makes such names is not to be trusted with the rest. */
function findProblem({ name, type }: Headers, names: ReadonlySet<string>): string | undefined {
  if (type !== 'file' && type !== 'contiguous-file' && type !== 'directory') return `is a ${type}, no regular file`;
  if (name.length > MAX_NAME_LENGTH) return `its name has ${name.length} characters, over ${MAX_NAME_LENGTH}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  if (/[\u0000-\u001f\\]|^[a-zA-Z]:/.test(name)) return 'its name holds a character that none should';
  if (name.startsWith('/') || name.split('/').includes('..')) return 'its name leads out of the tar';
  if (names.has(name)) return 'stands twice';
  return undefined;
}

const withoutEnding = (name: string): string => name.slice(0, name.length - extname(name).length);

/** WebDataset's name of a sample: all up to the first dot of the last part. */
function upToFirstDot(key: string): string {
  const dot = key.indexOf('.', key.lastIndexOf('/') + 1);
  return dot < 0 ? key : key.slice(0, dot);
}

/** Where a member's bytes begin. */
function offsetOf(header: Headers & { byteOffset?: number }): number {
  return header.byteOffset!;
}

/** The class and caption in a member. Throws if it is `.json` and holds something else. */
function parseText(ending: string, text: string): SampleText {
  if (ending === '.cls') return given(toText('the class', text.trim()), undefined);
  if (ending === '.txt') return given(undefined, toText('the caption', text.trim()));
  let sample: { label?: unknown; caption?: unknown };
  try {
    sample = JSON.parse(text) ?? {};
  } catch (error) {
    throw new Error(`is no JSON: ${(error as Error).message}`);
  }
  return given(toText('label', sample.label), toText('caption', sample.caption));
}

const given = (label: string | undefined, caption: string | undefined): SampleText => ({
  ...(label !== undefined && { label }),
  ...(caption !== undefined && { caption }),
});
