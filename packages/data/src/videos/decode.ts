import { createClock } from './clock.ts';
import type { DecodedFrames, DecodeOptions } from './decode-options.ts';
import { VideoError } from './entry.ts';
import { type FFmpeg, loadFFmpeg } from './ffmpeg.ts';
import { createFrameFilter } from './filter-frames.ts';
import { type Later, type OpenVideo, openDecoder, openStream, seek, ticksOf } from './open-stream.ts';
import { createPacketRecord } from './packet-record.ts';

/** Raised where other frames come of a video, so that what was made of the earlier ones is not used beside them. */
export const DECODING_VERSION = 2;
/** How far a container's rate may be from the measured one before it counts as a guess. */
const RATE_TOLERANCE = 0.02;
/** Share of a frame by which times may be rounded. */
const ROUNDING = 0.1;

/**
 * Decodes a file's first video stream and hands its frames on, one by one: uint8 RGB, [height, width, 3], upright and with square
 * pixels. Blocks its process meanwhile, and native code may crash on a damaged file: meant for a child process. Throws a
 * `VideoError` that says why a file cannot be used, and what `onFrame` throws.
 */
export async function decodeVideo(
  file: string,
  options: DecodeOptions,
  onFrame: (rgb: Buffer) => void,
): Promise<DecodedFrames> {
  const ffmpeg = await loadFFmpeg();
  const cleanUp: (() => void)[] = [];
  try {
    const { start = 0, end = Number.POSITIVE_INFINITY, firstFrames = Number.POSITIVE_INFINITY } = options;
    return decode(ffmpeg, file, { ...options, start, end, firstFrames }, onFrame, (free) => cleanUp.push(free));
  } finally {
    for (const free of cleanUp.reverse()) free();
  }
}

/** Which frames are wanted, with nothing left open. */
type Wanted = DecodeOptions & Required<Pick<DecodeOptions, 'start' | 'end' | 'firstFrames'>>;

function decode(
  ffmpeg: FFmpeg,
  file: string,
  options: Wanted,
  onFrame: (rgb: Buffer) => void,
  later: Later,
): DecodedFrames {
  const { start, end, firstFrames } = options;
  const video = openStream(ffmpeg, file, options, later);
  const { input, index, stream, tickSeconds, originSeconds, statedFps } = video;
  refuseTooLong(ffmpeg, video, options);

  const decoder = openDecoder(ffmpeg, stream, options.maxPixels, later);
  const [packet, frame] = [new ffmpeg.Packet(), new ffmpeg.Frame()];
  for (const one of [packet, frame]) {
    one.alloc();
    later(() => one.free());
  }
  const frameTicks = Math.max(1, Math.round(1 / (statedFps * tickSeconds)));
  const clock = createClock({ tickSeconds, originSeconds, start, end, frameTicks });
  const record = createPacketRecord(ffmpeg, video);
  const output = limitFrames(options, onFrame);
  const filter = createFrameFilter(ffmpeg, options, later, output.add);
  let [decoded, early] = [0, 0];
  let isPast = false;

  if (start > 0) seek(ffmpeg, video, start);
  while (!isPast) {
    const read = input.readFrameSync(packet);
    if (read < 0) {
      if (read !== ffmpeg.AVERROR_EOF) record.noteFailure(read);
      break;
    }
    record.noteRead(packet);
    if (packet.streamIndex === index) {
      record.noteSent(packet);
      const result = decoder.sendPacketSync(packet);
      if (result < 0) record.noteFailed(result);
      receive();
    }
    packet.unref();
  }
  decoder.sendPacketSync(null);
  receive();
  filter.flush();

  if (output.count === 0) {
    if (early === 0) throw new VideoError('damaged', record.describeEmpty());
    const endsAt = (clock.lastSeconds - originSeconds).toFixed(2);
    throw new VideoError('listing', `its part begins at ${start} s, and it ends at ${endsAt} s`);
  }
  const { meanFps } = clock;
  const ownFps = Math.abs(meanFps / statedFps - 1) >= RATE_TOLERANCE ? meanFps : statedFps;
  const fps = options.fps ?? ownFps;
  const lost = record.lostFrames(decoded, start === 0 && !isPast);
  const missing = Math.floor((lost / ownFps + (isPast ? 0 : record.missingSeconds(clock))) * fps + ROUNDING);
  const expectedFrames = Math.min(firstFrames, output.count + missing);
  return { ...filter.size(), numFrames: output.count, expectedFrames, fps };

  /** Takes the frames that the decoder has ready, and hands on those of the part. */
  function receive(): void {
    while (!isPast && decoder.receiveFrameSync(frame) >= 0) {
      decoded++;
      const placed = clock.place(ticksOf(ffmpeg, frame.bestEffortTimestamp), Number(frame.duration));
      if (placed === 'past' || output.isFull) isPast = true;
      else if (placed === 'before') early++;
      else {
        frame.pts = BigInt(placed.pts);
        frame.duration = BigInt(placed.duration);
        filter.add(frame, stream);
      }
      frame.unref();
    }
  }
}

/** Throws before a frame is decoded, where the container counts its frames and so knows better than its nominal rate. */
function refuseTooLong(ffmpeg: FFmpeg, { stream, tickSeconds, statedFps }: OpenVideo, options: Wanted): void {
  const { start, end, firstFrames, maxFrames } = options;
  const counted = Number(stream.nbFrames);
  const seconds = (ticksOf(ffmpeg, stream.duration) ?? 0) * tickSeconds;
  if (!(counted > 0 && seconds > 0)) return;
  const part = Math.max(0, Math.min(end, seconds) - start);
  const promised = Math.floor(part * (options.fps ?? Math.min(statedFps, counted / seconds)));
  if (Math.min(firstFrames, promised) <= maxFrames) return;
  throw new VideoError(
    'too-long',
    `it has ${promised} frames, over the cap of ${maxFrames}: list parts of it with start and end in a manifest, or raise the cap`,
  );
}

/** Hands as many frames on as are wanted. Throws a `VideoError` at one more than the cap. */
function limitFrames({ fps, start, end, firstFrames, maxFrames }: Wanted, onFrame: (rgb: Buffer) => void) {
  // A last frame that is held for long is not repeated far beyond the part; rounding to a rate may add one.
  const most = fps ? Math.ceil((end - start) * fps) + 1 : Number.POSITIVE_INFINITY;
  const wanted = Math.min(firstFrames, most);
  let count = 0;
  return {
    get count() {
      return count;
    },
    get isFull() {
      return count >= wanted;
    },
    add(rgb: Buffer): void {
      if (count >= wanted) return;
      if (count === maxFrames) {
        throw new VideoError(
          'too-long',
          `it has more than the cap of ${maxFrames} frames: list parts of it with start and end in a manifest, or raise the cap`,
        );
      }
      count++;
      onFrame(rgb);
    },
  };
}
