import { createClock } from './clock.ts';
import { VideoError } from './entry.ts';
import { type FFmpeg, loadFFmpeg } from './ffmpeg.ts';
import { checkPixels, type FilterSpec, pictureFilters, type Size } from './picture.ts';

export interface DecodeOptions {
  /** Pixels of the frames that come out: the video is made as small as covers them, and its middle is cut out; its own unless given. */
  size?: Size;
  /** Frames per second that are made by repeating and leaving out; the video's own unless given. */
  fps?: number;
  /** Seconds after the video begins. */
  start?: number;
  end?: number;
  maxFrames: number;
  /** Frames after which decoding ends; all unless given. */
  firstFrames?: number;
  /** Width times height of the video. */
  maxPixels: number;
  /** Where in the file it lies; all of it unless given. */
  member?: { offset: number; bytes: number };
}

/** What came of decoding a video, besides its frames. */
export interface DecodedFrames extends Size {
  numFrames: number;
  /** Frames that the container promises in this part; more than were decoded where the file is cut or damaged. */
  expectedFrames: number;
  /** Frames per second; the mean of a variable rate. */
  fps: number;
}

/** Raised where other frames come of a video, so that what was made of the earlier ones is not used beside them. */
export const DECODING_VERSION = 2;
/** Containers of FFmpeg's that are read; a playlist, which could name any other file, is none of them. */
const CONTAINERS = 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi';
/** The rate of a video that has none. */
const FALLBACK_FPS = 25;
/** How far a container's rate may be from the measured one before it counts as a guess. */
const RATE_TOLERANCE = 0.02;
/** Share of a frame by which times may be rounded. */
const ROUNDING = 0.1;
/** How much earlier FFmpeg seeks where a container orders frames by decoding: reordered ones are shown later than they stand. */
const REORDER_MICROSECONDS = Math.round(3e6 / 23);

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
    return decode(ffmpeg, file, options, onFrame, (free) => cleanUp.push(free));
  } finally {
    for (const free of cleanUp.reverse()) free();
  }
}

function decode(
  ffmpeg: FFmpeg,
  file: string,
  options: DecodeOptions,
  onFrame: (rgb: Buffer) => void,
  later: (free: () => void) => void,
): DecodedFrames {
  const { start = 0, end = Number.POSITIVE_INFINITY, firstFrames = Number.POSITIVE_INFINITY, maxFrames } = options;
  const { input, index, stream } = openStream(ffmpeg, file, options, later);
  const { codecpar } = stream;
  const unitsSeconds = input.streams!.map(({ timeBase }) => timeBase.num / timeBase.den);
  const tickSeconds = unitsSeconds[index]!;
  const ticks = (time: bigint) => (time === ffmpeg.AV_NOPTS_VALUE ? undefined : Number(time));
  const microseconds = (time: bigint) => (ticks(time) ?? 0) / 1e6;
  const statedFps = rateOf(stream.avgFrameRate) ?? rateOf(stream.rFrameRate) ?? FALLBACK_FPS;
  const originSeconds = microseconds(input.startTime);
  // A last frame that is held for long is not repeated far beyond the part; rounding to a rate may add one.
  const most = options.fps ? Math.ceil((end - start) * options.fps) + 1 : Number.POSITIVE_INFINITY;
  const mostWanted = Math.min(firstFrames, most);
  refuseTooLong();

  const decoder = openDecoder(ffmpeg, stream, options.maxPixels, later);
  const [packet, frame] = [new ffmpeg.Packet(), new ffmpeg.Frame()];
  for (const one of [packet, frame]) {
    one.alloc();
    later(() => one.free());
  }
  let [numFrames, sent, decoded, failed, early] = [0, 0, 0, 0, 0];
  /** Where the packets end, seconds of the file's clock: those of the video, and of all streams. */
  const reached = { video: Number.NEGATIVE_INFINITY, any: Number.NEGATIVE_INFINITY, isSureOfLast: true };
  let failure: string | undefined;
  let isPast = false;
  const clock = createClock({
    ...{ tickSeconds, originSeconds, start, end },
    frameTicks: Math.max(1, Math.round(1 / (statedFps * tickSeconds))),
  });
  const picture = createPicture(ffmpeg, options, later, (rgb) => {
    if (numFrames >= mostWanted) return;
    if (numFrames === maxFrames) {
      throw new VideoError(
        'too-long',
        `it has more than the cap of ${maxFrames} frames: list parts of it with start and end in a manifest, or raise the cap`,
      );
    }
    numFrames++;
    onFrame(rgb);
  });

  if (start > 0) seek();
  while (!isPast) {
    const read = input.readFrameSync(packet);
    if (read < 0) {
      if (read !== ffmpeg.AVERROR_EOF) failure ??= new ffmpeg.FFmpegError(read).message;
      break;
    }
    note();
    if (packet.streamIndex === index) {
      if (isShown()) sent++;
      const result = decoder.sendPacketSync(packet);
      if (result < 0) {
        failed++;
        failure ??= new ffmpeg.FFmpegError(result).message;
      }
      receive();
    }
    packet.unref();
  }
  decoder.sendPacketSync(null);
  receive();
  picture.flush();

  if (numFrames === 0) throw emptyError();
  const { meanFps } = clock;
  const ownFps = Math.abs(meanFps / statedFps - 1) >= RATE_TOLERANCE ? meanFps : statedFps;
  const fps = options.fps ?? ownFps;
  // Packets without a frame tell of damage where every packet is one; MPEG-4's may hold two frames or none.
  const lost =
    start > 0 || isPast || codecpar.codecId === ffmpeg.AV_CODEC_ID_MPEG4 ? failed : Math.max(failed, sent - decoded);
  const missing = Math.floor((lost / ownFps + (isPast ? 0 : missingSeconds())) * fps + ROUNDING);
  return { ...picture.size(), numFrames, expectedFrames: Math.min(firstFrames, numFrames + missing), fps };

  /** Before a frame is decoded, where the container counts its frames and so knows better than its nominal rate. */
  function refuseTooLong(): void {
    const counted = Number(stream.nbFrames);
    const seconds = (ticks(stream.duration) ?? 0) * tickSeconds;
    if (!(counted > 0 && seconds > 0)) return;
    const part = Math.max(0, Math.min(end, seconds) - start);
    const promised = Math.floor(part * (options.fps ?? Math.min(statedFps, counted / seconds)));
    if (Math.min(firstFrames, promised) <= maxFrames) return;
    throw new VideoError(
      'too-long',
      `it has ${promised} frames, over the cap of ${maxFrames}: list parts of it with start and end in a manifest, or raise the cap`,
    );
  }

  /** As FFmpeg's command seeks; where it cannot, frames are read from the beginning and left out up to the start. */
  function seek(): void {
    const isByTime = ((input.iformat?.flags ?? 0) & ffmpeg.AVFMT_SEEK_TO_PTS) !== 0;
    const target = 1e6 * (originSeconds + start) - (codecpar.videoDelay > 0 && !isByTime ? REORDER_MICROSECONDS : 0);
    if (target <= 1e6 * originSeconds) return;
    input.seekFrameSync(-1, BigInt(Math.round(target)), ffmpeg.AVSEEK_FLAG_BACKWARD);
  }

  /** How far the packets reach, without those that an edit list cuts off. */
  function note(): void {
    const time = ticks(packet.pts) ?? ticks(packet.dts);
    const unit = unitsSeconds[packet.streamIndex];
    if (time === undefined || unit === undefined || isDiscarded()) return;
    const until = (time + Number(packet.duration)) * unit;
    reached.any = Math.max(reached.any, until);
    if (packet.streamIndex !== index) return;
    if (until >= reached.video) reached.isSureOfLast = packet.duration > 0n;
    reached.video = Math.max(reached.video, until);
  }

  function isDiscarded(): boolean {
    return (packet.flags & ffmpeg.AV_PKT_FLAG_DISCARD) !== 0;
  }

  /** Whether a frame is to come of the packet; VP8's alternate references, which a bit in their first byte tells, are never shown. */
  function isShown(): boolean {
    if (isDiscarded()) return false;
    return codecpar.codecId !== ffmpeg.AV_CODEC_ID_VP8 || ((packet.data?.[0] ?? 0) & 0x10) !== 0;
  }

  function receive(): void {
    while (!isPast && decoder.receiveFrameSync(frame) >= 0) {
      decoded++;
      const placed = clock.place(ticks(frame.bestEffortTimestamp), Number(frame.duration));
      if (placed === 'past' || numFrames >= mostWanted) isPast = true;
      else if (placed === 'before') early++;
      else {
        frame.pts = BigInt(placed.pts);
        frame.duration = BigInt(placed.duration);
        picture.add(frame, stream);
      }
      frame.unref();
    }
  }

  /** How much of the part the container promises and does not hold, as a file that is cut off. */
  function missingSeconds(): number {
    const from = ticks(stream.startTime) ?? 0;
    // A tick of AVI is a frame; FFmpeg shortens the duration of a file that is cut off, and not the header's count.
    const own = input.iformat?.name === 'avi' ? Number(stream.nbFrames) : ticks(stream.duration);
    const whole = microseconds(input.duration);
    // Matroska tells the time of the longest stream alone, and of a last frame often not how long it lasts.
    const [promised, covered] =
      own !== undefined && own > 0
        ? [(from + own) * tickSeconds, reached.video]
        : [whole > 0 ? whole : Number.NEGATIVE_INFINITY, reached.any];
    const slack = reached.isSureOfLast ? 0 : clock.widestSeconds;
    return Math.max(0, Math.min(promised, clock.endSeconds) - covered - slack);
  }

  function emptyError(): VideoError {
    if (early > 0) {
      return new VideoError(
        'listing',
        `its part begins at ${start} s, and it ends at ${(clock.lastSeconds - originSeconds).toFixed(2)} s`,
      );
    }
    const count = Math.max(sent, Number(stream.nbFrames));
    return new VideoError('damaged', `none of its ${count} frames can be decoded${failure ? `: ${failure}` : ''}`);
  }
}

const rateOf = ({ num, den }: { num: number; den: number }): number | undefined =>
  num > 0 && den > 0 ? num / den : undefined;

/** Throws a `VideoError` where a call of FFmpeg's fails. */
const createMust =
  (ffmpeg: FFmpeg) =>
  (code: 'format' | 'damaged', result: number, what: string): void => {
    if (result < 0) throw new VideoError(code, `${what}: ${new ffmpeg.FFmpegError(result).message}`);
  };

function openStream(
  ffmpeg: FFmpeg,
  file: string,
  { member, maxPixels }: DecodeOptions,
  later: (free: () => void) => void,
) {
  const must = createMust(ffmpeg);
  const input = new ffmpeg.FormatContext();
  const url = member ? `subfile,,start,${member.offset},end,${member.offset + member.bytes},,:${file}` : `file:${file}`;
  const limits = { format_whitelist: CONTAINERS, protocol_whitelist: 'file,subfile' };
  must('format', input.openInputSync(url, null, ffmpeg.Dictionary.fromObject(limits)), 'no container that is read');
  later(() => input.closeInputSync());
  must('format', input.findStreamInfoSync(), 'its streams cannot be told');
  const index = input.findBestStream(ffmpeg.AVMEDIA_TYPE_VIDEO);
  const stream = input.streams?.[index];
  if (index < 0 || !stream) throw new VideoError('no-video', 'it has no video stream');
  if ((stream.disposition & ffmpeg.AV_DISPOSITION_ATTACHED_PIC) !== 0) {
    throw new VideoError('no-video', 'it is sound with a picture, which is no video');
  }
  checkPixels(stream.codecpar, maxPixels);
  return { input, index, stream };
}

type Stream = ReturnType<typeof openStream>['stream'];

function openDecoder(ffmpeg: FFmpeg, { codecpar }: Stream, maxPixels: number, later: (free: () => void) => void) {
  const must = createMust(ffmpeg);
  const codec = ffmpeg.Codec.findDecoder(codecpar.codecId);
  if (!codec) throw new VideoError('format', `no decoder for its codec, ${codecpar.codecId}`);
  const decoder = new ffmpeg.CodecContext();
  decoder.allocContext3(codec);
  later(() => decoder.freeContext());
  must('format', decoder.parametersToContext(codecpar), 'its codec parameters');
  decoder.threadCount = 1;
  // Not as a dictionary for open2, which node-av 6.1 frees twice.
  must('format', decoder.setOption('max_pixels', String(maxPixels)), 'its decoder');
  must('format', decoder.open2Sync(codec, null), 'its decoder');
  return decoder;
}

/** FFmpeg's filters, from decoded frames to those that are shown; made anew where a video changes what its frames are like. */
function createPicture(
  ffmpeg: FFmpeg,
  { size, fps, maxPixels }: DecodeOptions,
  later: (free: () => void) => void,
  onFrame: (rgb: Buffer) => void,
) {
  const { Filter, FilterGraph } = ffmpeg;
  const must = createMust(ffmpeg);
  const shown = new ffmpeg.Frame();
  shown.alloc();
  later(() => shown.free());
  let graph: InstanceType<typeof FilterGraph> | undefined;
  later(() => graph?.free());
  let shape = '';
  let [source, sink]: [ReturnType<typeof make>, ReturnType<typeof make>] = [undefined!, undefined!];
  let [height, width] = [0, 0];

  function make(name: string, args: string | null) {
    const filter = graph!.createFilter(Filter.getByName(name)!, name, args);
    if (!filter) throw new VideoError('damaged', `its frames cannot be scaled (${name} ${args})`);
    return filter;
  }

  function open(sourceArgs: string, filters: readonly FilterSpec[]): void {
    flush();
    graph?.free();
    graph = new FilterGraph();
    graph.alloc();
    graph.nbThreads = 1;
    source = make('buffer', sourceArgs);
    sink = make('buffersink', null);
    const rate: FilterSpec[] = fps ? [['fps', `fps=${fps}`]] : [];
    const chain = [source, ...[...rate, ...filters].map(([name, args]) => make(name, args)), sink];
    for (const [i, one] of chain.slice(0, -1).entries()) must('damaged', one.link(0, chain[i + 1]!, 0), 'scaling');
    must('damaged', graph.configSync(), 'scaling');
  }

  function take(): void {
    while (sink.buffersinkGetFrameSync(shown) >= 0) {
      if (height > 0 && (shown.height !== height || shown.width !== width)) {
        throw new VideoError(
          'damaged',
          `its frames change their size, from ${width}x${height}; give one to bring them to`,
        );
      }
      [height, width] = [shown.height, shown.width];
      onFrame(shown.toBuffer());
      shown.unref();
    }
  }

  function flush(): void {
    if (!graph) return;
    source.buffersrcAddFrameSync(null);
    take();
  }

  return {
    add(frame: InstanceType<typeof ffmpeg.Frame>, { codecpar, timeBase, sampleAspectRatio }: Stream) {
      const pixelAspect = rateOf(sampleAspectRatio) ?? rateOf(frame.sampleAspectRatio) ?? 1;
      const sourceArgs = `video_size=${frame.width}x${frame.height}:pix_fmt=${frame.format}:time_base=${timeBase.num}/${timeBase.den}:pixel_aspect=1/1`;
      const wanted = `${sourceArgs} ${pixelAspect}`;
      if (wanted !== shape) {
        checkPixels(frame, maxPixels);
        const facts = {
          coded: { height: frame.height, width: frame.width },
          pixelAspect,
          displayMatrix:
            codecpar.getCodedSideData(ffmpeg.AV_PKT_DATA_DISPLAYMATRIX) ??
            frame.getSideData(ffmpeg.AV_FRAME_DATA_DISPLAYMATRIX),
          cropping: codecpar.getCodedSideData(ffmpeg.AV_PKT_DATA_FRAME_CROPPING),
        };
        open(sourceArgs, pictureFilters(facts, size, maxPixels));
        shape = wanted;
      }
      must('damaged', source.buffersrcAddFrameSync(frame), 'scaling');
      take();
    },
    flush,
    size: () => ({ height, width }),
  };
}
