import type { DecodeOptions } from './decode-options.ts';
import { VideoError } from './entry.ts';
import type { FFmpeg } from './ffmpeg.ts';
import { createMust, type Later, type OpenVideo, ratioOf } from './open-stream.ts';
import { checkPixels, type FilterSpec, pictureFilters } from './picture.ts';

/** FFmpeg's filters, from decoded frames to those that are shown; made anew where a video changes what its frames are like. */
export function createFrameFilter(
  ffmpeg: FFmpeg,
  { size, fps, maxPixels }: DecodeOptions,
  later: Later,
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
    add(frame: InstanceType<typeof ffmpeg.Frame>, { codecpar, timeBase, sampleAspectRatio }: OpenVideo['stream']) {
      const pixelAspect = ratioOf(sampleAspectRatio) ?? ratioOf(frame.sampleAspectRatio) ?? 1;
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
