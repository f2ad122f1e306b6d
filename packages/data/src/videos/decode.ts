import { VideoError } from './entry.ts';

export interface DecodeOptions {
  /** Of the frames that come out, pixels: the video is made as small as covers them, and its middle is cut out; its own unless given. */
  size?: { height: number; width: number };
  /** Frames per second that are made by repeating and leaving out; the video's own unless given. */
  fps?: number;
  /** Seconds. */
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

export interface DecodedVideo {
  /** uint8 RGB, [F, height, width, 3]. */
  pixels: Uint8Array;
  numFrames: number;
  height: number;
  width: number;
  /** Frames that the container promises in this part; more than were decoded where the file is cut or damaged. */
  expectedFrames: number;
  /** Frames per second; of a variable rate the mean. */
  fps: number;
}

/** Containers of FFmpeg's that are read; a playlist, which could name any other file, is none of them. */
const CONTAINERS = 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi';
/** What shows a video upright that was filmed with the camera turned, by quarter turns clockwise. */
const TURNS: readonly (readonly (readonly [filter: string, args: string | null])[])[] = [
  [],
  [['transpose', 'clock']],
  [
    ['hflip', null],
    ['vflip', null],
  ],
  [['transpose', 'cclock']],
];
/** Anti-aliased bilinear, as Pillow's and JAX's resize. */
const SCALING = 'bilinear+accurate_rnd+full_chroma_int';
const MAX_SIDE = 8192;

/** FFmpeg, an optional package. Throws with the way to install it. */
async function loadFFmpeg() {
  // Its Node 22 function, without which it would give no frame and no error on Node 20.
  (Promise as { withResolvers?: unknown }).withResolvers ??= () => {
    let [resolve, reject]: [unknown, unknown] = [undefined, undefined];
    const promise = new Promise((...both) => {
      [resolve, reject] = both;
    });
    return { promise, resolve, reject };
  };
  try {
    const [lib, constants] = await Promise.all([import('node-av/lib'), import('node-av/constants')]);
    lib.Log.setLevel(constants.AV_LOG_FATAL);
    return { ...lib, ...constants };
  } catch (cause) {
    throw new Error(
      'reading video files needs an optional package: pnpm add node-av@6.1.1, whose binary is a GPL build of FFmpeg; prepared shards need none',
      { cause },
    );
  }
}

/** Whether video files can be read here. Throws with the way to make that so. */
export const requireFFmpeg = async (): Promise<void> => void (await loadFFmpeg());

/**
 * Decodes a file's first video stream. Blocks its process meanwhile, and native code may crash on a damaged file: meant for a
 * child process. Throws a `VideoError` that says why a file cannot be used.
 */
export async function decodeVideo(file: string, options: DecodeOptions): Promise<DecodedVideo> {
  const ffmpeg = await loadFFmpeg();
  const { size, start = 0, end = Number.POSITIVE_INFINITY, firstFrames = Number.POSITIVE_INFINITY, member } = options;
  const must = (code: 'format' | 'damaged', result: number, what: string): number => {
    if (result >= 0) return result;
    throw new VideoError(code, `${what}: ${new ffmpeg.FFmpegError(result).message}`);
  };
  const cleanUp: (() => void)[] = [];
  const input = new ffmpeg.FormatContext();
  try {
    const url = member
      ? `subfile,,start,${member.offset},end,${member.offset + member.bytes},,:${file}`
      : `file:${file}`;
    const limits = { format_whitelist: CONTAINERS, protocol_whitelist: 'file,subfile' };
    must('format', input.openInputSync(url, null, ffmpeg.Dictionary.fromObject(limits)), 'no container that is read');
    cleanUp.push(() => input.closeInputSync());
    must('format', input.findStreamInfoSync(), 'its streams cannot be told');
    const index = input.findBestStream(ffmpeg.AVMEDIA_TYPE_VIDEO);
    const stream = input.streams?.[index];
    if (index < 0 || !stream) throw new VideoError('no-video', 'it has no video stream');
    const { codecpar, timeBase, avgFrameRate } = stream;
    checkPixels(codecpar.width, codecpar.height, options.maxPixels);
    const secondsOf = (time: bigint) => (Number(time) * timeBase.num) / timeBase.den;
    const ownFps = avgFrameRate.den > 0 && avgFrameRate.num > 0 ? avgFrameRate.num / avgFrameRate.den : 25;
    const fps = options.fps ?? ownFps;
    const whole = stream.duration > 0n ? secondsOf(stream.duration) : Number(input.duration) / 1e6;
    const seconds = Math.max(0, Math.min(end, whole > 0 ? whole : end) - start);
    if (Number.isFinite(seconds) && Math.min(firstFrames, Math.floor(seconds * fps)) > options.maxFrames) {
      throw new VideoError(
        'too-long',
        `it has ${Math.floor(seconds * fps)} frames, over the cap of ${options.maxFrames}: list parts of it with start and end in a manifest, or raise the cap`,
      );
    }

    const codec = ffmpeg.Codec.findDecoder(codecpar.codecId);
    if (!codec) throw new VideoError('format', `no decoder for its codec, ${codecpar.codecId}`);
    const decoder = new ffmpeg.CodecContext();
    decoder.allocContext3(codec);
    cleanUp.push(() => decoder.freeContext());
    must('format', decoder.parametersToContext(codecpar), 'its codec parameters');
    decoder.threadCount = 1;
    // Not as a dictionary for open2, which node-av 6.1 frees twice.
    must('format', decoder.setOption('max_pixels', String(options.maxPixels)), 'its decoder');
    must('format', decoder.open2Sync(codec, null), 'its decoder');

    const [packet, frame, scaled] = [new ffmpeg.Packet(), new ffmpeg.Frame(), new ffmpeg.Frame()];
    for (const one of [packet, frame, scaled]) {
      one.alloc();
      cleanUp.push(() => one.free());
    }
    const turns = quarterTurns(codecpar.getCodedSideData(ffmpeg.AV_PKT_DATA_DISPLAYMATRIX));
    const frames: Buffer[] = [];
    let [height, width] = [0, 0];
    const resize = createResize();
    cleanUp.push(() => resize.close());

    if (start > 0) {
      const time = BigInt(Math.floor((start * timeBase.den) / timeBase.num));
      must('format', input.seekFrameSync(index, time, ffmpeg.AVSEEK_FLAG_BACKWARD), `seeking ${start} s`);
    }
    let packets = 0;
    let failure: string | undefined;
    let isPast = false;
    while (!isPast) {
      const read = input.readFrameSync(packet);
      if (read < 0) {
        if (read !== ffmpeg.AVERROR_EOF) failure ??= new ffmpeg.FFmpegError(read).message;
        break;
      }
      if (packet.streamIndex === index) {
        packets++;
        const sent = decoder.sendPacketSync(packet);
        if (sent < 0) failure ??= new ffmpeg.FFmpegError(sent).message;
        receive();
      }
      packet.unref();
    }
    decoder.sendPacketSync(null);
    receive();
    resize.flush();

    // A container that does not count its frames tells their number by its duration.
    const timed = Number.isFinite(seconds) ? Math.floor(seconds * ownFps) : 0;
    const promised = Math.max(packets, Number(stream.nbFrames) || timed);
    if (frames.length === 0) {
      throw new VideoError('damaged', `none of its ${promised} frames can be decoded${failure ? `: ${failure}` : ''}`);
    }
    const isPart = start > 0 || Number.isFinite(end);
    const expectedFrames = Math.min(firstFrames, isPart || options.fps ? Math.floor(seconds * fps) : promised);
    return {
      pixels: Buffer.concat(frames),
      numFrames: frames.length,
      height,
      width,
      // What came is at least as long as what was promised where the container promises nothing.
      expectedFrames: Number.isFinite(expectedFrames) ? Math.max(expectedFrames, frames.length) : frames.length,
      fps,
    };

    function receive(): void {
      while (!isPast && decoder.receiveFrameSync(frame) >= 0) {
        const time = secondsOf(frame.bestEffortTimestamp);
        if (time >= end || frames.length >= firstFrames) isPast = true;
        else if (time >= start - 0.5 / ownFps) resize.add(frame);
        frame.unref();
      }
    }

    /** FFmpeg's filters: to the size, and to the rate if one is asked for; made anew where a video changes its size. */
    function createResize() {
      const { Filter, FilterGraph } = ffmpeg;
      let graph: InstanceType<typeof FilterGraph> | undefined;
      let shape = '';
      let source: ReturnType<typeof make>;
      let sink: ReturnType<typeof make>;

      function make(name: string, args: string | null) {
        const filter = graph!.createFilter(Filter.getByName(name)!, name, args);
        if (!filter) throw new VideoError('damaged', `its frames cannot be scaled (${name} ${args})`);
        return filter;
      }
      /** Before the turn. */
      function scaleTo({ height: shownHeight, width: shownWidth }: NonNullable<DecodeOptions['size']>) {
        const [w, h] = turns % 2 === 0 ? [shownWidth, shownHeight] : [shownHeight, shownWidth];
        return [
          make('scale', `${w}:${h}:force_original_aspect_ratio=increase:flags=${SCALING}`),
          make('crop', `${w}:${h}`),
        ];
      }
      function open(wanted: string): void {
        flush();
        graph?.free();
        graph = new FilterGraph();
        graph.alloc();
        graph.nbThreads = 1;
        shape = wanted;
        source = make('buffer', wanted);
        sink = make('buffersink', null);
        const chain = [
          source,
          ...(options.fps ? [make('fps', `fps=${options.fps}`)] : []),
          ...(size ? scaleTo(size) : []),
          make('format', 'pix_fmts=rgb24'),
          ...TURNS[turns]!.map(([name, args]) => make(name, args)),
          sink,
        ];
        for (const [i, one] of chain.slice(0, -1).entries()) must('damaged', one.link(0, chain[i + 1]!, 0), 'scaling');
        must('damaged', graph.configSync(), 'scaling');
      }
      function take(): void {
        while (sink.buffersinkGetFrameSync(scaled) >= 0) {
          if (frames.length > 0 && (scaled.height !== height || scaled.width !== width)) {
            throw new VideoError(
              'damaged',
              `its frames change their size, from ${width}x${height}; give one to bring them to`,
            );
          }
          [height, width] = [scaled.height, scaled.width];
          if (frames.length < firstFrames) frames.push(scaled.toBuffer());
          scaled.unref();
          if (frames.length > options.maxFrames) {
            throw new VideoError('too-long', `it has more than the cap of ${options.maxFrames} frames; raise it`);
          }
        }
      }
      function flush(): void {
        if (!graph) return;
        source.buffersrcAddFrameSync(null);
        take();
      }
      return {
        add(next: InstanceType<typeof ffmpeg.Frame>) {
          checkPixels(next.width, next.height, options.maxPixels);
          const wanted = `video_size=${next.width}x${next.height}:pix_fmt=${next.format}:time_base=${timeBase.num}/${timeBase.den}:pixel_aspect=1/1`;
          if (wanted !== shape) open(wanted);
          must('damaged', source.buffersrcAddFrameSync(next), 'scaling');
          take();
        },
        flush,
        close: () => graph?.free(),
      };
    }
  } finally {
    for (const free of cleanUp.reverse()) free();
  }
}

/** Clockwise, of a container's display matrix: nine int32, the first two its scale and shear; 0 without one. */
function quarterTurns(matrix: Buffer | null): number {
  if (!matrix || matrix.length < 36) return 0;
  const radians = Math.atan2(matrix.readInt32LE(4), matrix.readInt32LE(0));
  return (Math.round(radians / (Math.PI / 2)) + 4) % 4;
}

function checkPixels(width: number, height: number, maxPixels: number): void {
  if (!(width >= 1 && height >= 1)) throw new VideoError('format', `its frames are ${width}x${height} pixels`);
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= maxPixels) return;
  throw new VideoError(
    'too-many-pixels',
    `its frames are ${width}x${height}; at most ${MAX_SIDE} to a side and ${maxPixels} pixels are read`,
  );
}
