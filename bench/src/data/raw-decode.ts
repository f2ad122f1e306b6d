/**
 * The peer: FFmpeg's libraries by node-av alone, one process, every frame decoded and thrown away. Prints the frames decoded.
 */
(Promise as { withResolvers?: unknown }).withResolvers ??= () => ({}); // node-av wants Node 22's
const { Codec, CodecContext, FormatContext, Frame, Packet } = await import('node-av/lib');
const { AVMEDIA_TYPE_VIDEO } = await import('node-av/constants');

let frames = 0;
for (const file of process.argv.slice(2)) {
  const input = new FormatContext();
  input.openInputSync(file);
  input.findStreamInfoSync();
  const index = input.findBestStream(AVMEDIA_TYPE_VIDEO);
  const { codecpar } = input.streams![index]!;
  const codec = Codec.findDecoder(codecpar.codecId)!;
  const decoder = new CodecContext();
  decoder.allocContext3(codec);
  decoder.parametersToContext(codecpar);
  decoder.threadCount = 1;
  decoder.open2Sync(codec, null);
  const [packet, frame] = [new Packet(), new Frame()];
  packet.alloc();
  frame.alloc();
  const receive = () => {
    while (decoder.receiveFrameSync(frame) >= 0) {
      frames++;
      frame.unref();
    }
  };
  while (input.readFrameSync(packet) >= 0) {
    if (packet.streamIndex === index) {
      decoder.sendPacketSync(packet);
      receive();
    }
    packet.unref();
  }
  decoder.sendPacketSync(null);
  receive();
  frame.free();
  packet.free();
  decoder.freeContext();
  input.closeInputSync();
}
console.log(frames);
