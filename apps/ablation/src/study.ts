import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { GUIDANCE_KINDS, SAMPLERS } from '@eflow/run';
import { closest } from 'fastest-levenshtein';
import { parse } from 'yaml';
import { z } from 'zod';

const STUDIES = new URL('../studies/', import.meta.url);

const count = z.int().min(1);
const seed = z.int().min(0);

/** An object that refuses other keys, and names the nearest of its own. */
const strict = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const known = Object.keys(shape);
      const keys = (issue.keys as string[]).map(
        (key) => `unknown key '${key}'; did you mean '${closest(key, known)}'?`,
      );
      return `${keys.join(' ')} Known here: ${known.join(', ')}`;
    },
  });

/** Dotted config keys and their values. */
const patch = z.record(z.string(), z.unknown()).default({});

/** One call of `evaluate` on a trained cell. */
const measure = strict({
  sampler: z.enum(SAMPLERS).optional(),
  steps: z.array(count).min(1).default([1, 2, 4, 8]),
  clips: z.int().min(256).default(1000),
  grid: z.string().optional(),
  guidance: z.enum(GUIDANCE_KINDS).optional(),
  guidanceScale: z.number().optional(),
});

const namedValues = z
  .record(z.string(), z.unknown())
  .refine((values) => Object.keys(values).length > 0, 'expected at least one value with its name');

const budget = z.union(
  [strict({ seconds: z.number().positive() }), strict({ steps: count })],
  'expected { seconds: 600 } or { steps: 30 }, of the training of each cell',
);

const studySchema = strict({
  name: z.string().regex(/^[\w.-]+$/, 'expected letters, digits, and . _ -'),
  title: z.string(),
  bases: z.array(z.string()).min(1),
  patch,
  cells: z
    .array(strict({ name: z.string().min(1), patch, measure: z.array(measure).optional() }))
    .min(1)
    .optional(),
  grid: z.record(z.string(), z.union([z.array(z.unknown()).min(1), namedValues])).optional(),
  seeds: z.array(seed).min(1).default([0]),
  budget,
  reference: z.string().optional(),
  measure: z.array(measure).default([]),
}).refine(({ cells, grid }) => (cells === undefined) !== (grid === undefined), {
  error: 'expected either cells, a list, or grid, the values of each key or names for them',
});

export type Measure = z.infer<typeof measure>;
export type Budget = z.infer<typeof budget>;

export interface Study extends Omit<z.infer<typeof studySchema>, 'cells' | 'grid'> {
  /** A grid is written out. */
  cells: { name: string; patch: Record<string, unknown>; measure?: Measure[] }[];
  reference: string;
}

/** One network to train: a cell of the study on a base, with a seed. */
export interface Cell {
  /** The name of its folder. */
  id: string;
  /** The preset or file of the base's config, and its name. */
  source: string;
  base: string;
  name: string;
  seed: number;
  /** Overrides of the base's config, but for the seed and what the budget says. */
  overrides: string[];
  measures: Measure[];
}

/** Names of the shipped studies. */
export const studyNames = (): string[] =>
  readdirSync(STUDIES)
    .map((file) => basename(file, '.yaml'))
    .sort();

/** The study in a YAML file, or the shipped one of that name. Throws an Error that names every wrong key and value. */
export function readStudy(source: string): Study {
  const isFile = /[./]/.test(source);
  if (!isFile && !studyNames().includes(source)) {
    throw new Error(`study '${source}': no such study; shipped: ${studyNames().join(', ')}, or give a .yaml file`);
  }
  const { cells, grid, ...study } = parseStudy(source, readText(isFile ? source : new URL(`${source}.yaml`, STUDIES)));
  const all = cells ?? expandGrid(grid!);
  const names = all.map(({ name }) => name);
  const reference = study.reference ?? names[0]!;
  requireKnown(source, 'reference', [reference], names);
  return { ...study, cells: all, reference };
}

function readText(file: string | URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(
      `study '${file}': cannot be read (${(error as NodeJS.ErrnoException).code}); give a file or one of: ${studyNames().join(', ')}`,
    );
  }
}

function parseStudy(source: string, text: string): z.infer<typeof studySchema> {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new Error(`study '${source}': not valid YAML: ${(error as Error).message}`);
  }
  const result = studySchema.safeParse(document);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => {
    const value = path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown>)?.[key], document);
    const got = value === undefined || typeof value === 'object' ? '' : `, got ${JSON.stringify(value)}`;
    return `  ${path.length > 0 ? `${path.join('.')}: ` : ''}${message}${got}`;
  });
  throw new Error(`study '${source}':\n${problems.join('\n')}`);
}

/** Every combination of the grid's values; the last key varies fastest. A value that has no name is told with its key. */
function expandGrid(grid: Record<string, unknown[] | Record<string, unknown>>): Study['cells'] {
  return Object.entries(grid).reduce<Study['cells']>(
    (before, [key, values]) => {
      const named = Array.isArray(values)
        ? values.map((value) => [`${key}=${JSON.stringify(value).replaceAll('"', '')}`, value] as const)
        : Object.entries(values);
      return before.flatMap(({ name, patch }) =>
        named.map(([part, value]) => ({ name: `${name} ${part}`.trim(), patch: { ...patch, [key]: value } })),
      );
    },
    [{ name: '', patch: {} }],
  );
}

/** The study's cells: seeds outermost, then bases. `changes` are overrides for all; a cell's own patch wins. */
export function expandCells(study: Study, changes: readonly string[]): Cell[] {
  const cells = study.seeds.flatMap((seed) =>
    study.bases.flatMap((source) =>
      study.cells.map(({ name, patch, measure = study.measure }): Cell => {
        const base = basename(source, '.yaml');
        const label = `${base} ${name}`;
        const id = `${label.replace(/[^a-zA-Z0-9.=]+/g, '-').replace(/-$/, '')}-seed${seed}`;
        const overrides = [...toOverrides({ name: label, ...study.patch }), ...changes, ...toOverrides(patch)];
        return { id, source, base, name, seed, overrides, measures: measure };
      }),
    ),
  );
  const ids = cells.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice) throw new Error(`study '${study.name}': two cells would share the folder ${twice}; give them other names`);
  return cells;
}

/** As `loadConfig` takes them: JSON is YAML, and a quoted string stays one. */
const toOverrides = (values: Record<string, unknown>): string[] =>
  Object.entries(values).map(([key, value]) => `${key}=${JSON.stringify(value)}`);

/** Throws, naming the nearest, on a cell that the study does not have. */
export function requireKnown(where: string, what: string, asked: readonly string[], names: readonly string[]): void {
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new Error(
    `${where}: ${what} is '${unknown}'; did you mean '${closest(unknown, [...names])}'? Cells: ${names.join(', ')}`,
  );
}
