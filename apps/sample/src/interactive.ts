import { createInterface } from 'node:readline';
import { drawFrames, writeGridWebp } from '@eflow/media';
import { type Clips, sliceClips } from '@eflow/tensor';
import { play, roomFor, showsColours } from './terminal.ts';

/** How long clips move in a terminal. */
const SECONDS = 3;

/** What answers lines of text. */
export interface Answers {
  /** Clips that show what is asked for; other noise for another seed. Throws on a prompt that cannot be read. */
  draw(prompt: string, seed: number): Clips;
  /** The seed of the first line, which every line adds 1 to. */
  seed: number;
  /** An animated WebP, written anew for every line. */
  file: string;
  scale: number;
  fps: number;
}

/** Reads a prompt from each line, and draws it, until the input ends. What is wrong with a line is said, and the next is read. */
export async function answerLines({ draw, seed, file, scale, fps }: Answers): Promise<void> {
  const inColours = showsColours();
  console.log(
    `Say what clips are to show. An empty line draws the last again, with other noise; Ctrl-D ends. They are ${inColours ? 'shown here and ' : ''}written to ${file}.`,
  );
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  let last = '';
  let number = 0;
  lines.prompt();
  for await (const line of lines) {
    const prompt = line.trim() || last;
    if (prompt) {
      try {
        const clips = draw(prompt, seed + number++);
        last = prompt;
        await writeGridWebp(file, clips, { scale, fps });
        const [count, , height, width] = clips.shape;
        const shown = inColours ? Math.min(count, roomFor({ height, width })) : 0;
        if (shown > 0) await play(drawFrames(sliceClips(clips, 0, shown), { columns: shown }), fps, SECONDS);
        else console.log(`${file}: ${prompt}`);
      } catch (error) {
        console.error((error as Error).message);
      }
    }
    lines.prompt();
  }
}
