import type { Measurement } from '@eflow/measure';

/**
 * How good clips are, by the classifier of their data, of whose features the distances are; they are not FVD. Clips of classes have shares
 * of classes, clips of captions those of factors.
 */
export interface Result extends Measurement {
  /** Updates made when the checkpoint was written. */
  step: number;
  /** Seconds of training until then. */
  seconds: number;
  /** Sampling steps. */
  numSteps: number;
  /** Full network passes of one sample, and passes of the weak path. */
  nfe: number;
  weakNfe: number;
  /** The grid of the first clips, in the evaluation's folder. */
  grid: string;
}

/** The content of evaluation.json, or of another name's: every figure with what it was measured by. */
export interface Evaluation {
  extractor: {
    /** Share of held-out clips that it names right, as the file of its weights says. */
    heldOutAccuracy: number;
    numFeatures: number;
  };
  /** What all clips were sampled by, but for the number of steps. */
  sampling: {
    sampler: string;
    /** Times of the sampler's steps. */
    grid: string;
    /** While sampling; absent: none but what was trained in. */
    guidance?: { kind: string; scale: number };
    weights: 'ema';
    seed: number;
  };
  /** What the first clips were asked for, as many as a grid shows: names of classes, or captions. */
  asked: string[];
  /** Held-out clips against other held-out clips: what no model can beat by much. */
  real: Measurement & { grid: string };
  results: Result[];
}

/** The number of steps at which checkpoints are compared: 4 where it was asked for, else the last. */
export const comparedSteps = (steps: number[]): number => (steps.includes(4) ? 4 : steps.at(-1)!);

/** Clips that a grid shows. */
export const SHOWN = 20;
/** Pixels of a clip that has its caption below it, at least. */
const CAPTIONED_WIDTH = 96;

/** How grids of clips of some width are laid out. */
export const gridOptions = (width: number, captions?: readonly string[]) => ({
  columns: 5,
  scale: captions ? Math.ceil(CAPTIONED_WIDTH / width) : 3,
  captions,
});
