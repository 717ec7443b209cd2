import { Duplex, Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Resolves when the stream is over; an abort closes it. */
export const endOf = async (stream: NodeJS.ReadableStream, signal: AbortSignal): Promise<void> =>
  new Promise<void>((resolve, reject) => {
    const close = () => {
      if (stream instanceof Duplex || stream instanceof Readable) stream.destroy();
      reject(signal.reason as Error);
    };
    const done = (finish: () => void) => {
      signal.removeEventListener('abort', close);
      finish();
    };
    if (signal.aborted) {
      close();
      return;
    }
    signal.addEventListener('abort', close);
    stream.on('end', () => done(resolve));
    stream.on('close', () => done(resolve));
    stream.on('error', (error: Error) => done(() => reject(error)));
  });

const decoded = (onText: (text: string) => void, onEnd: () => void = () => undefined): Writable => {
  const decoder = new StringDecoder('utf8');
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      onText(decoder.write(chunk));
      done();
    },
    final(done) {
      onText(decoder.end());
      onEnd();
      done();
    },
  });
};

/** Keeps all that is written, as text. */
export const collect = () => {
  let all = '';
  return { into: decoded((text) => (all += text)), text: () => all };
};

/** Hands over line after line, without its end. */
export const splitLines = (onLine: (line: string) => void): Writable => {
  let left = '';
  return decoded(
    (text) => {
      const lines = (left + text).split(/\r?\n/);
      left = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
    () => {
      if (left !== '') onLine(left);
    },
  );
};
