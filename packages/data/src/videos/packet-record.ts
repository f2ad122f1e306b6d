import type { createClock } from './clock.ts';
import type { FFmpeg } from './ffmpeg.ts';
import { type OpenVideo, ticksOf } from './open-stream.ts';

type Packet = InstanceType<FFmpeg['Packet']>;

/** Keeps account of a video's packets: which of them gave no frame, and how far they reach of what the container promises. */
export function createPacketRecord(ffmpeg: FFmpeg, { input, index, stream, unitsSeconds, tickSeconds }: OpenVideo) {
  const { codecId } = stream.codecpar;
  let [shown, failed] = [0, 0];
  let failure: string | undefined;
  /** Where the packets end, seconds of the file's clock: those of the video, and of all streams. */
  const reached = { video: Number.NEGATIVE_INFINITY, any: Number.NEGATIVE_INFINITY, isSureOfLast: true };

  const isDiscarded = ({ flags }: Packet) => (flags & ffmpeg.AV_PKT_FLAG_DISCARD) !== 0;

  return {
    /** A packet of any stream was read; those that an edit list cuts off do not count. */
    noteRead(packet: Packet): void {
      const time = ticksOf(ffmpeg, packet.pts) ?? ticksOf(ffmpeg, packet.dts);
      const unit = unitsSeconds[packet.streamIndex];
      if (time === undefined || unit === undefined || isDiscarded(packet)) return;
      const until = (time + Number(packet.duration)) * unit;
      reached.any = Math.max(reached.any, until);
      if (packet.streamIndex !== index) return;
      if (until >= reached.video) reached.isSureOfLast = packet.duration > 0n;
      reached.video = Math.max(reached.video, until);
    },
    /** A packet of the video goes to the decoder; of VP8's alternate references, which a bit in their first byte tells, no frame is to come. */
    noteSent(packet: Packet): void {
      if (isDiscarded(packet)) return;
      if (codecId !== ffmpeg.AV_CODEC_ID_VP8 || ((packet.data?.[0] ?? 0) & 0x10) !== 0) shown++;
    },
    /** A packet was refused by the decoder: damage. */
    noteFailed(result: number): void {
      failed++;
      this.noteFailure(result);
    },
    /** The first failure is what people are told. */
    noteFailure(result: number): void {
      failure ??= new ffmpeg.FFmpegError(result).message;
    },
    /**
     * Frames that are damaged, if so many were decoded. Packets without a frame tell of damage where all of the video was read and every packet
     * is a frame; MPEG-4's may hold two frames or none.
     */
    lostFrames: (decoded: number, isWhole: boolean): number =>
      isWhole && codecId !== ffmpeg.AV_CODEC_ID_MPEG4 ? Math.max(failed, shown - decoded) : failed,
    /** How much of the part the container promises and does not hold, as a file that is cut off. */
    missingSeconds(clock: ReturnType<typeof createClock>): number {
      const from = ticksOf(ffmpeg, stream.startTime) ?? 0;
      // A tick of AVI is a frame; FFmpeg shortens the duration of a file that is cut off, and not the header's count.
      const own = input.iformat?.name === 'avi' ? Number(stream.nbFrames) : ticksOf(ffmpeg, stream.duration);
      const whole = (ticksOf(ffmpeg, input.duration) ?? 0) / 1e6;
      // Matroska tells the time of the longest stream alone, and of a last frame often not how long it lasts.
      const [promised, covered] =
        own !== undefined && own > 0
          ? [(from + own) * tickSeconds, reached.video]
          : [whole > 0 ? whole : Number.NEGATIVE_INFINITY, reached.any];
      const slack = reached.isSureOfLast ? 0 : clock.widestSeconds;
      return Math.max(0, Math.min(promised, clock.endSeconds) - covered - slack);
    },
    /** Why there is no frame at all. */
    describeEmpty(): string {
      const count = Math.max(shown, Number(stream.nbFrames));
      return `none of its ${count} frames can be decoded${failure ? `: ${failure}` : ''}`;
    },
  };
}
