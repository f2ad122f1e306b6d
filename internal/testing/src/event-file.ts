/** An image in a TensorBoard event file. */
export interface EventImage {
  step: number;
  name: string;
  /** By the plugin's name, TensorBoard shows it as an image. */
  plugin: string;
  width: number;
  height: number;
  file: Buffer;
}

/** The records of a TFRecord file: length (8 bytes), its checksum (4), the data, its checksum (4). */
export function readRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let offset = 0; offset < file.length; ) {
    const length = Number(file.readBigUInt64LE(offset));
    records.push(file.subarray(offset + 12, offset + 12 + length));
    offset += length + 16;
  }
  return records;
}

/** The images in an event file, in order. */
export function readEventImages(file: Buffer): EventImage[] {
  return readRecords(file).flatMap((record) => {
    // Event: 2 step, 5 summary; Summary: 1 values; Value: 1 tag, 8 tensor, 9 metadata; TensorProto: 8 strings;
    // SummaryMetadata: 1 plugin; PluginData: 1 name.
    const event = readMessage(record);
    const values = event.get(5)?.flatMap((summary) => readMessage(summary as Buffer).get(1) ?? []) ?? [];
    return values.flatMap((bytes) => {
      const value = readMessage(bytes as Buffer);
      if (!value.has(9)) return [];
      const plugin = readMessage(readMessage(value.get(9)![0] as Buffer).get(1)![0] as Buffer);
      const [width, height, png] = readMessage(value.get(8)![0] as Buffer).get(8) as Buffer[];
      return {
        step: Number(event.get(2)?.[0] ?? 0),
        name: String(value.get(1)![0]),
        plugin: String(plugin.get(1)![0]),
        width: Number(width),
        height: Number(height),
        file: png!,
      };
    });
  });
}

/** The fields of a protobuf message by their numbers: integers, and the bytes of all else. */
function readMessage(message: Buffer): Map<number, (number | Buffer)[]> {
  const fields = new Map<number, (number | Buffer)[]>();
  let offset = 0;
  const readInteger = () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = message[offset++]!;
      value += (byte % 128) * unit;
      if (byte < 128) return value;
    }
  };
  const readBytes = (length: number) => {
    offset += length;
    return message.subarray(offset - length, offset);
  };
  while (offset < message.length) {
    const key = readInteger();
    const [field, wireType] = [Math.floor(key / 8), key % 8];
    const value = wireType === 0 ? readInteger() : readBytes(wireType === 1 ? 8 : wireType === 5 ? 4 : readInteger());
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}
