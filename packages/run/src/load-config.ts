import { readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { completeSection } from '@eflow/data';
import { closest } from 'fastest-levenshtein';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkTraining, completeText, videoDiTConfig } from './build.ts';
import { DEFAULT_KINDS, type RunConfig, runConfigSchema } from './config.ts';
import { networkPreset } from './network-preset.ts';

type Document = { [key: string]: unknown };

/** Keys that stood under `objective` before, and stand under `training` now; files that have them there are read as before. */
const MOVED_KEYS = ['keepRatio', 'keepPattern', 'denseTail'];

const PRESETS = new URL('../presets/', import.meta.url);

/** Names of the shipped presets. */
export const presetNames = (): string[] =>
  readdirSync(PRESETS)
    .map((file) => file.replace(/\.yaml$/, ''))
    .sort();

/**
 * The config in a YAML or JSON file, or in a preset of that name, with dotted overrides such as
 * `training.batchSize=16` applied and defaults filled in. A file with a `base`, a preset or another file, says only what differs
 * from that; a section `data` of videos only what differs from its shards. `network.preset` stands for a preset's keys: keys beside it win,
 * and as an override it replaces what was said before it. `training.maxSeconds=null` takes a key out, so that its default or its
 * absence holds. An override of a `kind`, of the data, the objective or the attention, drops
 * the keys that the new kind does not have. Throws an Error that names every wrong key with the nearest known
 * one, every wrong value with what was expected, and sizes that do not go together. Keys that a file has where they were in
 * configs before (MOVED_KEYS) are moved; an override says where they are now.
 */
export function loadConfig(source: string, overrides: readonly string[] = []): RunConfig {
  const document = readWithBase(source);
  for (const [section, kind] of Object.entries(DEFAULT_KINDS)) {
    const { [section]: given = {} } = document;
    if (isDocument(given)) document[section] = { kind, ...given };
  }
  for (const override of overrides) {
    applyOverride(document, override);
    refuseMovedKeys(document, override);
    expandPreset(document);
  }
  if (isDocument(document.data)) document.data = completeData(document.data, source);
  return validateConfig(document, source);
}

/**
 * The document of a file or a preset, over those that it is based on. `path` has the files that led here. Throws, naming them, if they
 * go round in a circle.
 */
function readWithBase(source: string, path: readonly string[] = []): Document {
  const known = [...path, source];
  if (path.includes(source)) throw new Error(`config '${path[0]}': its base is itself: ${known.join(' -> ')}`);
  const { base, ...document } = readDocument(source, path.at(-1));
  moveKeys(document, source);
  expandPreset(document);
  if (base === undefined) return document;
  if (typeof base !== 'string' || base === '') {
    throw new Error(`config '${source}': base is ${JSON.stringify(base)}; expected a preset or a .yaml file`);
  }
  const result = readWithBase(isFile(base) ? resolve(dirname(source), base) : base, known);
  layOver(result, document);
  return result;
}

/** Sets the keys of a document, section by section, as overrides do: null takes a key out, and a new kind drops what it does not have. */
function layOver(target: Document, document: Document, path: readonly string[] = []): void {
  // The kind first, so that it drops old keys only.
  const entries = Object.entries(document).sort(([a], [b]) => Number(b === 'kind') - Number(a === 'kind'));
  for (const [key, value] of entries) {
    const at = [...path, key];
    const own = valueAt(target, at);
    if (isDocument(value) && isDocument(own)) layOver(target, value, at);
    else setValue(target, at, value, at.join('.'));
    if (value === null) unset(target, at);
    if (key === 'kind') keepKnownKeys(target, path);
  }
}

/** A section `data` with what its shards say. Throws, naming the config, if they are needed and not there. */
function completeData(data: Document, source: string): Document {
  try {
    return completeSection(data);
  } catch (error) {
    throw new Error(`${source}: ${(error as Error).message}`);
  }
}

/** Checks a parsed document against the schema and its sizes against each other; throws as `loadConfig` does. */
function validateConfig(document: unknown, source: string): RunConfig {
  const result = runConfigSchema.safeParse(document);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => describeIssue(issue, document));
    throw new Error(
      `${source}: ${problems.length === 1 ? 'one problem' : `${problems.length} problems`}\n${problems.map((p) => `  ${p}`).join('\n')}`,
    );
  }
  try {
    const config = completeText(result.data);
    videoDiTConfig(config);
    checkTraining(config);
    return config;
  } catch (error) {
    throw new Error(`${source}: ${(error as Error).message}`);
  }
}

const isFile = (source: string): boolean => /[./]/.test(source);

/** What a file or a preset says; `by` is the config that names it as its base. */
function readDocument(source: string, by?: string): Document {
  const what = by === undefined ? `config '${source}'` : `config '${by}': its base '${source}'`;
  if (!isFile(source) && !presetNames().includes(source)) {
    throw new Error(`${what}: no such preset; presets: ${presetNames().join(', ')}, or give a .yaml file`);
  }
  let text: string;
  try {
    text = readFileSync(isFile(source) ? source : new URL(`${source}.yaml`, PRESETS), 'utf8');
  } catch (error) {
    throw new Error(
      `${what}: cannot be read (${(error as NodeJS.ErrnoException).code}); give a file or one of the presets: ${presetNames().join(', ')}`,
    );
  }
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new Error(`${what}: not valid YAML: ${(error as Error).message}`);
  }
  if (!isDocument(document)) throw new Error(`${what}: expected keys and values, such as 'seed: 1'`);
  return document;
}

const isDocument = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const movedKeysOf = (objective: Document) => MOVED_KEYS.filter((key) => Object.hasOwn(objective, key));

/** Moves keys of a file to where they belong now. Throws where a key is in both places. */
function moveKeys(document: Document, source: string): void {
  const { objective, training = {} } = document;
  if (!isDocument(objective) || !isDocument(training)) return; // to be told of
  for (const key of movedKeysOf(objective)) {
    if (Object.hasOwn(training, key)) {
      throw new Error(
        `${source}: objective.${key} is training.${key} now, and both are given; take objective.${key} out`,
      );
    }
    training[key] = objective[key];
    delete objective[key];
    document.training = training;
  }
}

/** Throws if an override sets a key in its old section. */
function refuseMovedKeys({ objective }: Document, override: string): void {
  if (!isDocument(objective)) return;
  for (const key of movedKeysOf(objective)) {
    throw new Error(
      `override '${override}': objective.${key} is training.${key} now; write training.${key}=${objective[key]}`,
    );
  }
}

/** Writes out the preset that `network` names. */
function expandPreset(document: Document): void {
  if (!isDocument(document.network) || !Object.hasOwn(document.network, 'preset')) return;
  const { preset, ...beside } = document.network;
  document.network = { ...networkPreset(preset), ...beside };
}

function applyOverride(document: Document, override: string): void {
  const at = override.indexOf('=');
  if (at < 1) throw new Error(`override '${override}': expected key=value, such as training.batchSize=16`);
  const path = override.slice(0, at).split('.');
  const text = override.slice(at + 1);
  const isList = /^[^[{'"]*,/.test(text); // network.depth=1,4,1 is network.depth=[1,4,1]
  const value: unknown = parse(isList ? `[${text}]` : text);
  if (path.join('.') !== 'network.preset') {
    setValue(document, path, value, `override '${override}'`);
    if (text.trim() === 'null') unset(document, path);
    if (path.at(-1) === 'kind') keepKnownKeys(document, path.slice(0, -1));
    return;
  }
  for (const [key, part] of Object.entries(networkPreset(value))) {
    setValue(document, ['network', key], part, `override '${override}'`);
  }
}

function setValue(document: Document, path: readonly string[], value: unknown, by: string): void {
  path.reduce((node, key, i) => {
    const own = Object.hasOwn(node, key) ? node[key] : undefined;
    if (i < path.length - 1 && own !== undefined && !isDocument(own)) {
      throw new Error(`${by}: '${key}' is a value, not a section`);
    }
    const next = i === path.length - 1 ? value : (own ?? {});
    // Not an assignment: that would take __proto__ for more than a name.
    Object.defineProperty(node, key, { value: next, enumerable: true, configurable: true, writable: true });
    return next as Document;
  }, document);
}

/** Takes a key out, so that its default holds, or its absence; one that is not known stays, to be told of. */
function unset(document: Document, path: readonly string[]): void {
  const [section, key] = [path.slice(0, -1), path.at(-1)!];
  if (knownKeys(section, document).includes(key)) delete sectionAt(document, section)[key];
}

const valueAt = (document: Document, path: readonly string[]): unknown =>
  path.reduce<unknown>((node, key) => (isDocument(node) && Object.hasOwn(node, key) ? node[key] : undefined), document);

const sectionAt = (document: Document, path: readonly string[]): Document =>
  path.reduce((node, key) => node[key] as Document, document);

/** Drops the keys of a section that its kind does not have; a kind that is not known keeps all, to be told of. */
function keepKnownKeys(document: Document, path: readonly string[]): void {
  const section = sectionAt(document, path);
  const known = knownKeys(path, document);
  if (known.length === 0) return;
  for (const key of Object.keys(section)) if (!known.includes(key)) delete section[key];
}

function describeIssue(issue: z.core.$ZodIssue, document: unknown): string[] {
  const where = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path, document);
    return issue.keys.map((key) => {
      const nearest =
        known.length > 0 ? `; did you mean '${closest(key, known)}'? Known here: ${known.join(', ')}` : '';
      return `${[...issue.path, key].join('.')}: unknown key${nearest}`;
    });
  }
  const value = issue.path.reduce<unknown>((node, key) => (node as Document | undefined)?.[key as string], document);
  return [`${where}: ${issue.message}${value === undefined ? '' : `, got ${JSON.stringify(value)}`}`];
}

/** The keys that the schema knows at a path, read from its JSON Schema; of a union, those of the member of that kind. */
function knownKeys(path: readonly PropertyKey[], document: unknown): string[] {
  type Schema = { properties?: Record<string, Schema & { const?: unknown }>; anyOf?: Schema[]; oneOf?: Schema[] };
  let node: Schema | undefined = z.toJSONSchema(runConfigSchema, { io: 'input' }) as Schema;
  let value = document;
  for (const key of path) {
    node = node?.properties?.[String(key)];
    value = (value as Document | undefined)?.[String(key)];
    const members: Schema[] | undefined = node?.oneOf ?? node?.anyOf;
    if (members)
      node = members.find(
        ({ properties }) => properties && properties.kind?.const === (value as Document | undefined)?.kind,
      );
  }
  const keys = Object.keys(node?.properties ?? {});
  return path.join('.') === 'network' ? ['preset', ...keys] : keys;
}
