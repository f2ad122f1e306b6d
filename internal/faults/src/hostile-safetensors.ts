import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSafetensors } from '@eflow/checkpoint/bytes';
import { createProgress } from '@eflow/cli';
import { setUpPython } from '@eflow/python';
import fc from 'fast-check';
import { bytesOf, F32, HOSTILE_HEADERS } from '../../../packages/checkpoint/src/fixtures/hostile-headers.ts';
import type { Outcome } from './outcome.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Files of one batch to the reference, which is to answer while the next are made. */
const BATCH = 2000;

/**
 * Named vectors and `mutations` mutations of valid files: none may crash the reader, and none may be accepted that the
 * reference implementation refuses (Python's safetensors, in a virtual environment; without it that is not looked at).
 */
export async function fuzzSafetensors(mutations: number, seed: number): Promise<Outcome> {
  const reference = await startReference();
  const counts = { files: 0, accepted: 0, stricter: 0 };
  const crashes: string[] = [];
  const tooLenient: string[] = [];

  async function judge(files: readonly { name: string; bytes: Uint8Array }[]): Promise<void> {
    const answers = reference?.judge(files.map(({ bytes }) => bytes));
    const ours = files.map(({ name, bytes }) => {
      try {
        parseSafetensors(bytes);
        return true;
      } catch (error) {
        if (!isRefusal(error)) crashes.push(`${name}: ${error}`);
        return false;
      }
    });
    const theirs = await answers;
    for (const [i, { name, bytes }] of files.entries()) {
      counts.files++;
      if (ours[i]) counts.accepted++;
      if (theirs && ours[i] && !theirs[i])
        tooLenient.push(`${name}: ${Buffer.from(bytes).toString('hex').slice(0, 400)}`);
      if (theirs && !ours[i] && theirs[i]) counts.stricter++;
    }
  }

  const vectors = Object.entries(HOSTILE_HEADERS).map(([name, header]) => ({ name, bytes: fileOf(header, 8) }));
  await judge(vectors);
  const acceptedVectors = counts.accepted;

  const originals = validFiles();
  await judge(originals.map((bytes, i) => ({ name: `valid file ${i}`, bytes })));
  const refusedOriginals = originals.length - (counts.accepted - acceptedVectors);

  const progress = createProgress(mutations, 'mutations', { stays: true });
  try {
    for (let done = 0; done < mutations; done += BATCH) {
      const recipes = fc.sample(recipe, { seed: seed + done, numRuns: Math.min(BATCH, mutations - done) });
      await judge(
        recipes.map(({ original, edits }) => {
          const bytes = edits.reduce(applyEdit, originals[original % originals.length]!);
          return { name: fc.stringify({ original, edits }), bytes };
        }),
      );
      progress.update(Math.min(mutations, done + BATCH));
    }
  } finally {
    progress.end();
  }
  reference?.close();

  for (const line of [...crashes, ...tooLenient].slice(0, 20)) console.log(line);
  return {
    figures: [
      `safetensors: ${vectors.length} named vectors, ${acceptedVectors} accepted; ${originals.length} valid files, ${refusedOriginals} refused`,
      `safetensors: ${counts.files} files in all (${counts.accepted} of them accepted): ${crashes.length} crashes`,
      reference
        ? `safetensors: accepted that the reference refuses: ${tooLenient.length} (the other way round, by limits and dtypes: ${counts.stricter})`
        : 'safetensors: not compared with the reference, which could not be had',
    ],
    failed: crashes.length + tooLenient.length + acceptedVectors + refusedOriginals > 0,
  };
}

/** An error that says what to do, not one from a path that nobody foresaw. */
const isRefusal = (error: unknown) =>
  error instanceof Error && error.name === 'Error' && error.message.includes('not a valid safetensors file');

function fileOf(header: Uint8Array, dataBytes: number): Uint8Array {
  const file = new Uint8Array(8 + header.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  return file;
}

function validFiles(): Uint8Array[] {
  const headers: [string, number][] = [
    [`{"a":${F32('[2]', '[0,8]')}}`, 8],
    [`{"__metadata__":{"k":"v: \\"x\\""},"b":${F32('[]', '[12,16]')},"a":${F32('[3,1]', '[0,12]')}}  `, 16],
    [`{"e":${F32('[0,5]', '[0,0]')},"w":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]}}`, 16],
    ['{}', 0],
  ];
  const reference = path('../../../packages/checkpoint/src/fixtures/reference.safetensors');
  return [...headers.map(([text, bytes]) => fileOf(bytesOf(text), bytes)), new Uint8Array(readFileSync(reference))];
}

/** What numbers, words and brackets of a header are replaced with. */
const TOKENS = [
  ...['0', '1', '2', '4', '8', '16', '-1', '-0', '1.5', '2.0', '1e1', '1e400', '00', '4294967296', '9007199254740993'],
  ...['18446744073709551615', '18446744073709551616', '[]', '[0,0]', '[[2]]', '{}', 'null', 'true', '""', '"F32"'],
  ...['"F64"', '"F16"', '"BF16"', '"I32"', '"BOOL"', '"F8_E4M3"', '"f32"', '"a"', '"__metadata__"', '"__proto__"'],
  ...['"\\u0000"', '"\\ud800"', '"constructor"', ',', ':', '}', ']', '{', '[', ' ', '\n'],
];

type Edit =
  | { kind: 'flip'; at: number; bit: number }
  | { kind: 'set'; at: number; value: number }
  | { kind: 'cut'; at: number; length: number }
  | { kind: 'insert'; at: number; values: Uint8Array }
  | { kind: 'repeat'; at: number; length: number }
  | { kind: 'header length'; value: bigint }
  | { kind: 'token'; at: number; token: string };

const at = fc.nat({ max: 4096 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('set' as const), at, value: fc.nat({ max: 255 }) }),
  fc.record({ kind: fc.constant('cut' as const), at, length: fc.nat({ max: 40 }) }),
  fc.record({ kind: fc.constant('insert' as const), at, values: fc.uint8Array({ maxLength: 9 }) }),
  fc.record({ kind: fc.constant('repeat' as const), at, length: fc.nat({ max: 60 }) }),
  fc.record({ kind: fc.constant('header length' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('token' as const), at, token: fc.constantFrom(...TOKENS) }),
  },
);
const recipe = fc.record({ original: fc.nat({ max: 99 }), edits: fc.array(edit, { minLength: 1, maxLength: 3 }) });

/** The file with one edit; those of tokens keep the header's length right, so that they reach the rules behind it. */
function applyEdit(file: Uint8Array, change: Edit): Uint8Array {
  if (change.kind === 'header length') {
    const changed = file.slice();
    if (changed.length >= 8) new DataView(changed.buffer).setBigUint64(0, change.value, true);
    return changed;
  }
  if (change.kind === 'token') return replaceToken(file, change.at, change.token);
  const i = file.length === 0 ? 0 : change.at % file.length;
  const [before, after] = [file.subarray(0, i), file.subarray(i)];
  switch (change.kind) {
    case 'flip':
    case 'set': {
      const changed = file.slice();
      if (i < changed.length) changed[i] = change.kind === 'set' ? change.value : changed[i]! ^ (1 << change.bit);
      return changed;
    }
    case 'cut':
      return Uint8Array.from([...before, ...after.subarray(change.length)]);
    case 'insert':
      return Uint8Array.from([...before, ...change.values, ...after]);
    case 'repeat':
      return Uint8Array.from([...before, ...after.subarray(0, change.length), ...after]);
  }
}

function replaceToken(file: Uint8Array, place: number, token: string): Uint8Array {
  if (file.length < 8) return file;
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (8 + length > file.length) return file;
  // One character for each byte, so that bytes that are no UTF-8 stay what they are.
  const text = Buffer.from(file.subarray(8, 8 + length)).toString('latin1');
  const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[\d.eE+-]+|[{}[\],:]/g)];
  if (tokens.length === 0) return file;
  const old = tokens[place % tokens.length]!;
  const changed = text.slice(0, old.index) + token + text.slice(old.index + old[0].length);
  const header = Buffer.from(changed, 'latin1');
  const data = file.subarray(8 + length);
  const result = fileOf(header, data.length);
  result.set(data, 8 + header.length);
  return result;
}

/** The reference implementation, as a process that answers in order; undefined, with a line that says why, if it cannot be had. */
async function startReference() {
  let python: string;
  try {
    python = await setUpPython({
      name: 'faults-safetensors',
      requirements: path('../python/requirements.txt'),
      check: 'safetensors',
      onInstall: (folder) => console.log(`Installing Python's safetensors into ${folder}, once.`),
    });
  } catch (error) {
    console.log(`The reference implementation cannot be had: ${(error as Error).message}`);
    return undefined;
  }
  const child: ChildProcessWithoutNullStreams = spawn(python, ['-u', path('../python/judge.py')]);
  child.stderr.pipe(process.stderr);
  return {
    judge: (files: readonly Uint8Array[]) => ask(child, files),
    close: () => child.stdin.end(),
  };
}

function ask(child: ChildProcessWithoutNullStreams, files: readonly Uint8Array[]): Promise<boolean[]> {
  const answers: boolean[] = [];
  return new Promise((done, failed) => {
    const onData = (bytes: Buffer) => {
      for (const byte of bytes) answers.push(byte === 1);
      if (answers.length < files.length) return;
      child.stdout.off('data', onData);
      child.off('exit', onExit);
      done(answers);
    };
    const onExit = () => failed(new Error('the reference implementation ended early'));
    child.stdout.on('data', onData);
    child.on('exit', onExit);
    for (const file of files) {
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(file.length));
      child.stdin.write(prefix);
      child.stdin.write(file);
    }
  });
}
