/** Frames per second where a caller does not say. */
export const DEFAULT_FPS = 8;

/** Throws unless 0 < fps <= most. */
export function checkFps(fps: number, most: number): void {
  if (fps > 0 && fps <= most) return;
  throw new Error(`fps: expected more than 0 and at most ${most} frames per second, got ${fps}`);
}
