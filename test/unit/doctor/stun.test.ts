import { expect, test } from 'vitest';
import { decodeReply, encodeRequest } from '../../../src/doctor/stun.ts';

const id = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex');

/** The response of RFC 5769 §2.2, without its integrity and fingerprint, which are for others to check. */
const response = Buffer.from(
  [
    '0101001c',
    '2112a442',
    id.toString('hex'),
    '8022000b',
    '7465737420766563746f7220',
    '00200008',
    '0001a147e112a643',
  ].join(''),
  'hex',
);

test('the address in the response of RFC 5769 is read, past an attribute that is padded', () => {
  expect(decodeReply(response, id)).toEqual({ kind: 'binding', mapped: '192.0.2.1:32853', error: undefined });
});

test('an answer to another request, and what is no STUN, is none', () => {
  expect(decodeReply(response, Buffer.alloc(12))).toBeUndefined();
  expect(decodeReply(response.subarray(0, 19), id)).toBeUndefined();
  expect(decodeReply(Buffer.alloc(40), id)).toBeUndefined();
});

test('a refusal shows its code', () => {
  const refusal = Buffer.from(`011300082112a442${id.toString('hex')}0009000400000401`, 'hex');

  expect(decodeReply(refusal, id)).toMatchObject({ kind: 'refused', error: 401 });
});

test('an allocation asks for UDP and shows no credentials', () => {
  expect(encodeRequest('binding', id).toString('hex')).toBe(`000100002112a442${id.toString('hex')}`);
  expect(encodeRequest('allocation', id).toString('hex')).toBe(
    `000300082112a442${id.toString('hex')}0019000411000000`,
  );
});
