/** How good clips are, by a classifier of moving digits. */
export interface Figures {
  /** Frechet distance of its features from those of real held-out clips. Not FVD. */
  frechetDistance: number;
  /** Share of clips that it takes for the digit that was asked for. */
  classAccuracy: number;
  /** Share of clips in all of whose frames it sees the same digit. */
  frameConsistency: number;
}

export interface Result extends Figures {
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
  protocol: {
    extractor: string;
    extractorSha256: string;
    extractorHeldOutAccuracy: number;
    featureSize: number;
    covariance: string;
    realClips: number;
    generatedClips: number;
    split: 'held-out';
    sampler: string;
    /** Times of the sampler's steps. */
    grid: string;
    /** While sampling; absent: none but what was trained in. */
    guidance?: { kind: string; scale: number };
    weights: 'ema';
    seed: number;
  };
  /** Names of the classes that clips were asked for, in turn. */
  classes: string[];
  /** Held-out clips against other held-out clips: what no model can beat by much. */
  real: Figures & { grid: string };
  results: Result[];
}

/** The number of steps at which checkpoints are compared: 4 where it was asked for, else the last. */
export const comparedSteps = (steps: number[]): number => (steps.includes(4) ? 4 : steps.at(-1)!);
