/** Names of one thing, the plainest first. */
type Phrases = readonly [string, ...string[]];

/** The sentences that captions are made of. */
export interface Grammar<Factor extends string = string> {
  /** With a factor's name in braces where its phrase stands, such as 'a {colour} {digit}'; the plainest first. */
  sentences: Phrases;
  /** What each value of a factor may be called. */
  phrases: Readonly<Record<Factor, readonly Phrases[]>>;
}

/** What the captions of a data set say, for networks that learn from them and for measuring whether clips show it. */
export interface CaptionTask<Factor extends string = string> {
  /** What tells clips apart, such as a colour: the plainest names of each factor's values. */
  factors: Readonly<Record<Factor, readonly string[]>>;
  /** What captions are put together from: every word of every caption is a word of one of these. */
  texts: readonly string[];
  /** Of values, one of each factor. */
  numCombinations: number;
  /** The number of a combination in [0, numCombinations), of which the last factor changes first: the clip's label. */
  labelOf(values: Readonly<Record<Factor, number>>): number;
  /** The numbers of a label's values. */
  valuesOf(label: number): Record<Factor, number>;
  /** A caption: one of all those that say the label, as `draw` in [0, 1) tells; the plainest unless it is given. */
  say(label: number, draw?: () => number): string;
  /** Whether training leaves the combination out, so that it tells what is composed of what was seen. */
  isUnseen(label: number): boolean;
}

/** The task of a grammar, and of which combinations training leaves out. */
export function captionTask<Factor extends string>(
  { sentences, phrases }: Grammar<Factor>,
  isUnseen: (values: Record<Factor, number>) => boolean,
): CaptionTask<Factor> {
  const names = Object.keys(phrases) as Factor[];
  const factors = {} as Record<Factor, readonly string[]>;
  for (const name of names) factors[name] = phrases[name].map(([plain]) => plain);
  const sizes = names.map((name) => phrases[name].length);
  const numCombinations = sizes.reduce((product, size) => product * size, 1);
  const valuesOf = (label: number) => {
    const values = {} as Record<Factor, number>;
    let step = numCombinations;
    for (const [i, name] of names.entries()) {
      step /= sizes[i]!;
      values[name] = Math.floor(label / step) % sizes[i]!;
    }
    return values;
  };
  return {
    factors,
    texts: [
      ...sentences.map((sentence) => sentence.replace(PLACE, ' ')),
      ...names.flatMap((name) => phrases[name].flat()),
      'an',
    ],
    numCombinations,
    labelOf: (values) => names.reduce((label, name, i) => label * sizes[i]! + values[name], 0),
    valuesOf,
    say(label, draw = () => 0) {
      const values = valuesOf(label);
      const choose = (from: Phrases) => from[Math.floor(draw() * from.length)]!;
      return withArticles(choose(sentences).replace(PLACE, (_, name: Factor) => choose(phrases[name][values[name]]!)));
    },
    isUnseen: (label) => isUnseen(valuesOf(label)),
  };
}

/** The text with "an" for "a" before a vowel, unless it is not heard as one. */
export const withArticles = (text: string): string => text.replace(/\ba (?=[aeiou])(?!one\b|ewe\b)/g, 'an ');

const PLACE = /\{(\w+)\}/g;
