import type { DecodeOptions } from './decode-options.ts';
import { VideoError } from './entry.ts';
import type { FFmpeg } from './ffmpeg.ts';
import { checkPixels } from './picture.ts';

/** Containers of FFmpeg's that are read; a playlist, which could name any other file, is none of them. */
const CONTAINERS = 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi';
/** The rate of a video that has none. */
const FALLBACK_FPS = 25;
/** How much earlier FFmpeg seeks where a container orders frames by decoding: reordered ones are shown later than they stand. */
const REORDER_MICROSECONDS = Math.round(3e6 / 23);

/** Has something freed when decoding ends, whatever ends it. */
export type Later = (free: () => void) => void;

/** Throws a `VideoError` where a call of FFmpeg's fails. */
export const createMust =
  (ffmpeg: FFmpeg) =>
  (code: 'format' | 'damaged', result: number, what: string): void => {
    if (result < 0) throw new VideoError(code, `${what}: ${new ffmpeg.FFmpegError(result).message}`);
  };

/** A rate or a ratio, if it is one. */
export const ratioOf = ({ num, den }: { num: number; den: number }): number | undefined =>
  num > 0 && den > 0 ? num / den : undefined;

/** A time or a duration of FFmpeg's as a number, if it is known. */
export const ticksOf = (ffmpeg: FFmpeg, time: bigint): number | undefined =>
  time === ffmpeg.AV_NOPTS_VALUE ? undefined : Number(time);

/** Opens a file's first video stream, and reads what its container says of time. Throws a `VideoError` if there is none that is read. */
export function openStream(ffmpeg: FFmpeg, file: string, { member, maxPixels }: DecodeOptions, later: Later) {
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
  /** The unit of each stream's times. */
  const unitsSeconds = input.streams!.map(({ timeBase }) => timeBase.num / timeBase.den);
  return {
    input,
    index,
    stream,
    unitsSeconds,
    /** The unit of the video's times. */
    tickSeconds: unitsSeconds[index]!,
    /** Where the file's clock begins. */
    originSeconds: (ticksOf(ffmpeg, input.startTime) ?? 0) / 1e6,
    statedFps: ratioOf(stream.avgFrameRate) ?? ratioOf(stream.rFrameRate) ?? FALLBACK_FPS,
  };
}

export type OpenVideo = ReturnType<typeof openStream>;

/** As FFmpeg's command seeks; where it cannot, frames are read from the beginning and left out up to the start. */
export function seek(ffmpeg: FFmpeg, { input, stream, originSeconds }: OpenVideo, start: number): void {
  const isByTime = ((input.iformat?.flags ?? 0) & ffmpeg.AVFMT_SEEK_TO_PTS) !== 0;
  const reorder = stream.codecpar.videoDelay > 0 && !isByTime ? REORDER_MICROSECONDS : 0;
  const target = 1e6 * (originSeconds + start) - reorder;
  if (target <= 1e6 * originSeconds) return;
  input.seekFrameSync(-1, BigInt(Math.round(target)), ffmpeg.AVSEEK_FLAG_BACKWARD);
}

/** A decoder for the stream, of one thread. Throws a `VideoError` if there is none for its codec. */
export function openDecoder(ffmpeg: FFmpeg, { codecpar }: OpenVideo['stream'], maxPixels: number, later: Later) {
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
