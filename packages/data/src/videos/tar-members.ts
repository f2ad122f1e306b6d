import { createReadStream, statSync } from 'node:fs';
import { text as readText } from 'node:stream/consumers';
import { extract, type Headers } from 'tar-stream';
import type { Listing } from './manifest-file.ts';
import { VIDEO_ENDINGS } from './video-endings.ts';

/** Of what stands beside a video: its class and caption. */
const MAX_TEXT_BYTES = 2 ** 20;
const MAX_NAME_LENGTH = 512;

interface Sample {
  video?: { name: string; offset: number; bytes: number };
  label?: string;
  caption?: string;
}

/**
 * The videos in a WebDataset shard: members with one name up to its first dot are a sample, of which `.cls` holds the class,
 * `.txt` the caption, and `.json` both, as `label` and `caption`. Nothing is written: a video is read from where it lies in
 * the tar. Members that are no regular files, whose names lead elsewhere or stand twice, are rejected; so is what follows
 * damage. `path` is how the tar is named in the listing.
 */
export async function listTar(file: string, path: string): Promise<Listing> {
  const listing: Listing = { entries: [], rejected: [] };
  const reject = (name: string, problem: string) =>
    listing.rejected.push({ path: `${path}!${name}`, code: 'listing', problem });
  const samples = new Map<string, Sample>();
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
      const [key, ending] = splitName(name);
      if (header.type === 'directory') {
        // holds nothing
      } else if (problem) reject(name, problem);
      else if (VIDEO_ENDINGS.includes(ending)) {
        const sample = samples.get(key) ?? {};
        if (sample.video) reject(name, `a second video of the sample ${key}`);
        else samples.set(key, { ...sample, video: { name, offset: offsetOf(header), bytes: size } });
      } else if (['.cls', '.txt', '.json'].includes(ending)) {
        if (size > MAX_TEXT_BYTES) reject(name, `has ${size} bytes, over the cap of ${MAX_TEXT_BYTES} for text`);
        else {
          const text = await readText(member);
          try {
            samples.set(key, { ...samples.get(key), ...parseText(ending, text) });
          } catch (error) {
            reject(name, `is no JSON: ${(error as Error).message}`);
          }
          continue;
        }
      }
      member.resume();
    }
  } catch (error) {
    listing.rejected.push({
      path,
      code: 'listing',
      problem: `the tar is damaged or cut off: ${(error as Error).message}; what comes after is not used`,
    });
  }
  const fileBytes = statSync(file).size;
  for (const { video, label, caption } of samples.values()) {
    if (!video || video.offset + video.bytes > fileBytes) continue; // cut off, which the reader has said
    listing.entries.push({
      path,
      member: video,
      ...(label !== undefined && { label }),
      ...(caption !== undefined && { caption }),
    });
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

/** WebDataset's rule: the key is all up to the first dot of the last part. */
function splitName(name: string): [key: string, ending: string] {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot).toLowerCase()];
}

/** Where a member's bytes begin. */
function offsetOf(header: Headers & { byteOffset?: number }): number {
  return header.byteOffset!;
}

function parseText(ending: string, text: string): Pick<Sample, 'label' | 'caption'> {
  if (ending === '.cls') return { label: text.trim() };
  if (ending === '.txt') return { caption: text.trim() };
  const { label, caption } = JSON.parse(text);
  return {
    ...(label !== undefined && { label: String(label) }),
    ...(caption !== undefined && { caption: String(caption) }),
  };
}
