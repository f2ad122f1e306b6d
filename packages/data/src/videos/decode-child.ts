/** A process that decodes the videos that it is sent, one after the other; native code that crashes ends it alone. */
import { closeSync, openSync } from 'node:fs';
import { decodeVideo } from './decode.ts';
import type { DecodedFrames, DecodeOptions } from './decode-options.ts';
import { type RejectionCode, VideoError } from './entry.ts';
import { writeFully } from './file-pieces.ts';

export interface DecodeJob {
  file: string;
  options: DecodeOptions;
  /** Where the frames are written; they are sent back unless given, for a few of them. */
  target?: string;
}

export interface DecodedVideo extends DecodedFrames {
  /** uint8 RGB, [F, height, width, 3]. */
  pixels: Uint8Array;
}

/** First that a job is begun, then now and then how many frames there are, and in the end what came of it. */
export type DecodeReply =
  | { frames: number }
  | { video: DecodedFrames & { pixels?: Uint8Array } }
  | { code: RejectionCode; problem: string }
  | { failure: string };

const BEAT_MS = 500;

process.on('message', async (job: DecodeJob) => {
  send({ frames: 0 });
  send(await run(job));
});
process.on('disconnect', () => process.exit());

async function run({ file, options, target }: DecodeJob): Promise<DecodeReply> {
  const parts: Buffer[] = [];
  const handle = target === undefined ? undefined : openSync(target, 'w');
  let [frames, beat] = [0, performance.now()];
  try {
    const video = await decodeVideo(file, options, (rgb) => {
      if (handle === undefined) parts.push(rgb);
      else writeFully(handle, rgb);
      frames++;
      if (performance.now() - beat < BEAT_MS) return;
      beat = performance.now();
      send({ frames });
    });
    return { video: handle === undefined ? { ...video, pixels: Buffer.concat(parts) } : video };
  } catch (error) {
    if (error instanceof VideoError) return { code: error.code, problem: error.message };
    // A full disk is no fault of the video.
    if ((error as NodeJS.ErrnoException).syscall === 'write') return { failure: (error as Error).message };
    return { code: 'damaged', problem: (error as Error).message };
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

function send(reply: DecodeReply): void {
  process.send!(reply);
}
