import * as z from 'zod';
import { captionedDigits } from './captioned-digits.ts';
import type { ClipDataset } from './clip-dataset.ts';
import type { DatasetKind, DatasetSection, Split } from './dataset-kind.ts';
import { movingEmoji } from './emoji/moving-emoji.ts';
import { movingDigits } from './moving-digits.ts';
import { videos } from './videos/videos.ts';

/** The kinds of data sets, of which a config's section `data` names one. */
export const DATASETS = [movingDigits, captionedDigits, movingEmoji, videos] as const;

type Kind = (typeof DATASETS)[number];
type SpecOf<One> = One extends { kind: infer Name; open(spec: infer Spec): ClipDataset }
  ? { kind: Name } & Spec
  : never;

/** A config's section `data`, defaults filled in. */
export type DatasetConfig = z.infer<Kind['schema']>;

/** What clips are opened by: the kind, and what its `open` takes. */
export type DatasetSpec = SpecOf<Kind>;

/** The schema of a config's section `data`. */
export const datasetSchema = z.discriminatedUnion('kind', schemasOf(DATASETS));

/** A kind, whichever it is. */
type AnyKind = DatasetKind<DatasetConfig, Parameters<Kind['open']>[0]>;

/** The record of a kind. Throws, naming those there are, if there is none. */
export function datasetKind({ kind }: { kind: string }): AnyKind {
  const found: AnyKind | undefined = DATASETS.find((one) => one.kind === kind);
  if (found) return found;
  throw new Error(`no data set of the kind '${kind}'; kinds: ${DATASETS.map((one) => one.kind).join(', ')}`);
}

/**
 * A config's section `data` with what its files say of keys that it leaves out, such as the size of prepared videos. Throws where it
 * needs files that are not there; a kind that is not known is left for the schema to refuse.
 */
export const completeSection = (section: Record<string, unknown>): Record<string, unknown> =>
  DATASETS.some(({ kind }) => kind === section.kind)
    ? (datasetKind({ kind: String(section.kind) }).complete?.(section) ?? section)
    : section;

/** What the clips of a config's data are opened by: those of a split, where the kind has several, in the order that the seed says. */
export function datasetSpec(section: DatasetConfig, split: Split, seed: number): DatasetSpec {
  const spec = { ...section, split, seed }; // a kind without splits leaves that aside
  return spec;
}

/** The clips of a specification; of files, to be closed. Throws as the kind's `open` does. */
export const openDataset = (spec: DatasetSpec): ClipDataset => datasetKind(spec).open(spec);

/** The schemas of some kinds, each with its own type. */
export function schemasOf<const Some extends readonly { schema: z.ZodType<DatasetSection> }[]>(kinds: Some) {
  return kinds.map(({ schema }) => schema) as unknown as { [I in keyof Some]: Some[I]['schema'] };
}
