/** The part of a video that is asked for, and what its container says of time. */
export interface ClockFacts {
  /** Seconds; all times below are counted in these. */
  tickSeconds: number;
  /** Where the file's time begins, seconds: a recording cut out of a longer one, or a stream, may begin anywhere. */
  originSeconds: number;
  /** Where the part begins, seconds after the file does; 0: with the first frame. */
  start: number;
  /** Where it ends; infinite: with the last frame. */
  end: number;
  /** How long a frame lasts that does not say so, ticks. */
  frameTicks: number;
}

/** When a frame is shown, and for how long, in ticks after the part begins; or on which side of the part it lies. */
export type Placed = { pts: number; duration: number } | 'before' | 'past';

/**
 * Tells when frames are shown, as FFmpeg's command does with `-ss` and `-to`: time begins where the file does, whatever its own
 * clock says there; a frame without a time follows the one before it (AVI with B-frames has such at its end); the first frame is
 * the first one at or after the start, and the part lasts end - start from that frame on.
 */
export function createClock({ tickSeconds, originSeconds, start, end, frameTicks }: ClockFacts) {
  const fileStart = Math.round(originSeconds / tickSeconds);
  const origin = Math.round((originSeconds + start) / tickSeconds);
  const length = Math.round((end - start) / tickSeconds);
  let first: number | undefined;
  let last: number | undefined;
  let [lastDuration, widest, span, count] = [0, 0, 0, 0];
  return {
    /** The next frame that was decoded. `time` is its own, in ticks of the file's clock, if it has one. */
    place(time: number | undefined, ownDuration: number): Placed {
      const now = time ?? (last === undefined ? fileStart : last + lastDuration);
      if (last !== undefined) widest = Math.max(widest, now - last);
      [last, lastDuration] = [now, ownDuration > 0 ? ownDuration : frameTicks];
      if (start > 0 && now < origin) return 'before';
      first ??= now;
      if (now - first >= length) return 'past';
      span = now - first;
      count++;
      return { pts: now - origin, duration: lastDuration };
    },
    /** Frames per second of the part so far; NaN of fewer than two frames, or at one time. */
    get meanFps() {
      const fps = (count - 1) / (span * tickSeconds);
      return fps > 0 && fps < Number.POSITIVE_INFINITY ? fps : Number.NaN;
    },
    /** The longest time from one frame to the next so far, seconds. */
    get widestSeconds() {
      return widest * tickSeconds;
    },
    /** Where the last frame so far ends, seconds of the file's own clock. */
    get lastSeconds() {
      return ((last ?? 0) + lastDuration) * tickSeconds;
    },
    /** Where the part ends at the latest, seconds of the file's own clock. */
    endSeconds: originSeconds + end,
  };
}
