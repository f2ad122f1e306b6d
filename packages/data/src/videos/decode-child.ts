/** A process that decodes the videos that it is sent, one after the other; native code that crashes ends it alone. */
import { type DecodedVideo, type DecodeOptions, decodeVideo } from './decode.ts';
import { type RejectionCode, VideoError } from './entry.ts';

export interface DecodeJob {
  file: string;
  options: DecodeOptions;
}

export type DecodeReply = { video: DecodedVideo } | { code: RejectionCode; problem: string };

process.on('message', async ({ file, options }: DecodeJob) => {
  let reply: DecodeReply;
  try {
    reply = { video: await decodeVideo(file, options) };
  } catch (error) {
    const { message } = error as Error;
    reply = { code: error instanceof VideoError ? error.code : 'damaged', problem: message };
  }
  process.send!(reply);
});
process.on('disconnect', () => process.exit());
