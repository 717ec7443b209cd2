/** A protobuf field of wire type 2 (length-delimited): strings, bytes, messages. Lengths up to 127 bytes. */
export function bytesField(number: number, content: Buffer): Buffer {
  if (content.length > 127) throw new RangeError(`a field of ${content.length} bytes is longer than 127`);
  return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
}

/** A protobuf field of wire type 0 (varint), for whole numbers from 0 to 2^53-1. */
export function varintField(number: number, value: number): Buffer {
  const bytes = [number << 3];
  let left = value;
  while (left > 127) {
    bytes.push((left % 128) | 128);
    left = Math.floor(left / 128);
  }
  return Buffer.from([...bytes, left]);
}
