/** What came of a part of the test, in lines whose last numbers are the figures. */
export interface Outcome {
  figures: string[];
  failed: boolean;
}
