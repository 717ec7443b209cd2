import { randomBytes } from 'node:crypto';

let counter = randomBytes(3).readUIntBE(0, 3);
const process5 = randomBytes(5);

/**
 * A new object id of 20 characters: seconds, a value of this process, a counter, in lower-case base32hex.
 * NetBird's ids have this form. @see https://github.com/rs/xid
 */
export function newXid(now: Date): string {
  counter = (counter + 1) % 0x1_00_00_00;
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(Math.floor(now.getTime() / 1000), 0);
  process5.copy(bytes, 4);
  bytes.writeUIntBE(counter, 9, 3);
  // 96 bits are 19.2 digits of five bits: four zero bits complete the twentieth.
  return (BigInt(`0x${bytes.toString('hex')}`) << 4n).toString(32).padStart(20, '0');
}
