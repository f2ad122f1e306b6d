/** One clip: `pixels` uint8 [F, H, W, C]; its class in [0, numClasses); its caption. */
export interface Clip {
  pixels: Uint8Array;
  label: number;
  caption: string;
}

/** An endless sequence of clips; `clip(i)` is a function of i alone, made in O(1) whatever i is. */
export interface ClipDataset {
  /** [F, H, W, C] of every clip. */
  shape: [number, number, number, number];
  numClasses: number;
  clip(index: number): Clip;
  /** Gives files back; absent where there are none. */
  close?(): void;
}
