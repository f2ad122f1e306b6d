import type { Clips } from '@eflow/tensor/clips';
import { addCaptions } from './captions.ts';
import { BORDER_GREY, checkClips, drawFrames, type Image, type MovieOptions, toRgba } from './grid.ts';
import { checkPicture, DEFAULT_FPS } from './limits.ts';
import { writeWhole } from './write-file.ts';

/** No search for hardware encoders, which differ and make FFmpeg print what it did not find. */
const SOFTWARE = { hardwareAcceleration: 'prefer-software' } as const;

/** mediabunny with the codecs of @mediabunny/server, both optional. Throws with the way to install them. */
async function loadMediabunny() {
  try {
    const [mediabunny, server] = await Promise.all([import('mediabunny'), import('@mediabunny/server')]);
    server.registerMediabunnyServer();
    return mediabunny;
  } catch (cause) {
    throw new Error(
      'mp4 needs two optional packages: npm install mediabunny@1.61.0 @mediabunny/server@1.59.0, ' +
        'whose binary is a GPL build of FFmpeg; WebP and GIF need neither',
      { cause },
    );
  }
}

/** Whether `writeGridMp4` can work here: its optional packages are installed and can encode H.264. */
export async function canWriteMp4(): Promise<boolean> {
  const mediabunny = await loadMediabunny().catch(() => undefined);
  return mediabunny !== undefined && (await mediabunny.canEncodeVideo('avc', SOFTWARE));
}

/**
 * Writes a grid of moving clips [N, F, H, W, C] as an mp4 of H.264, played once; lossy, with colours at half the
 * resolution. H.264 wants even sides, so that an odd one gets a line of border more.
 * Throws on bad clips or options, without the optional packages, and where the file cannot be written.
 */
export async function writeGridMp4(file: string, clips: Clips, options: MovieOptions = {}): Promise<void> {
  checkClips(clips);
  checkPicture('mp4', clips.shape, options);
  const { fps = DEFAULT_FPS, ...grid } = options;
  const drawn = drawFrames(clips, grid);
  await addCaptions(drawn, clips.shape, grid);
  const frames = drawn.map(padToEven);
  const { BufferTarget, Mp4OutputFormat, Output, Quality, VideoSample, VideoSampleSource } = await loadMediabunny();
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat(), target });
  const source = new VideoSampleSource({ codec: 'avc', quality: new Quality('very-high'), ...SOFTWARE });
  output.addVideoTrack(source, { frameRate: fps });
  await output.start();
  for (const [i, frame] of frames.entries()) {
    const sample = new VideoSample(toRgba(frame), {
      format: 'RGBA',
      codedWidth: frame.width,
      codedHeight: frame.height,
      timestamp: i / fps,
      duration: 1 / fps,
    });
    await source.add(sample);
    sample.close();
  }
  await output.finalize();
  if (!target.buffer) throw new Error(`${file}: the encoder gave no bytes`);
  await writeWhole(file, new Uint8Array(target.buffer));
}

/** The image with a column and a row of border added where its width and height are odd. */
function padToEven(image: Image): Image {
  const width = image.width + (image.width % 2);
  const height = image.height + (image.height % 2);
  const data = new Uint8Array(height * width * image.channels).fill(BORDER_GREY);
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * image.channels, (y + 1) * image.width * image.channels);
    data.set(row, y * width * image.channels);
  }
  return { data, width, height, channels: image.channels };
}
