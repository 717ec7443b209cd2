const maxBytes = 255;

const chunks = (bytes: Buffer): Buffer[] => {
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += maxBytes) parts.push(bytes.subarray(from, from + maxBytes));
  return parts.length === 0 ? [Buffer.alloc(0)] : parts;
};

const unescaped = (text: string): Buffer =>
  Buffer.concat(
    [...text.matchAll(/\\(\d{3})|\\(.)|([^\\]+)/gsu)].map(([, decimal, escaped, plain]) =>
      decimal === undefined ? Buffer.from(escaped ?? plain ?? '') : Buffer.from([Number(decimal) & 0xff]),
    ),
  );

const quoted = /"((?:[^"\\]|\\.)*)"/gsu;

/**
 * The character-strings of a TXT record (RFC 1035 §3.3.14), none longer than 255 bytes.
 * `content` is either quoted strings with white space between them, or plain text, which is one value.
 */
export const characterStrings = (content: string): Buffer[] => {
  const isQuoted = /^\s*("(?:[^"\\]|\\.)*"\s*)+$/su.test(content);
  if (!isQuoted) return chunks(Buffer.from(content));
  return [...content.matchAll(quoted)].flatMap(([, inner = '']) => chunks(unescaped(inner)));
};

/** The bytes of a TXT value, whichever way it is written: two contents of the same value are the same record. */
export const txtValue = (content: string): string =>
  Buffer.concat(characterStrings(content)).toString('latin1');
