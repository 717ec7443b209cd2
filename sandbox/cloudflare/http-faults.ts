import { setTimeout as pause } from 'node:timers/promises';
import type { HttpBindings } from '@hono/node-server';
import type { Context, Next } from 'hono';
import { failed } from './envelope.ts';
import type { Faults, HttpFault } from './faults.ts';

type Env = { Bindings: HttpBindings };

const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });

const never = async (closed: AbortSignal): Promise<Response> =>
  new Promise((resolve) => {
    closed.addEventListener('abort', () => {
      resolve(new Response(null, { status: 503 }));
    });
  });

const halfOf = async (response: Response): Promise<Response> => {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.set('content-length', String(bytes.length));
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes.subarray(0, Math.floor(bytes.length / 2)));
    },
  });
  return new Response(stream, { status: response.status, headers });
};

const meet = async (
  answer: HttpFault['answer'],
  context: Context<Env>,
  next: Next,
  closed: AbortSignal,
): Promise<Response | undefined> => {
  switch (answer.kind) {
    case 'rate-limited': {
      const headers = answer.retryAfter === undefined ? {} : { 'retry-after': answer.retryAfter };
      return json(
        429,
        failed({ code: 971, message: 'Please wait and consider throttling your request speed' }),
        headers,
      );
    }
    case 'error':
      return json(answer.status, failed({ code: answer.code, message: answer.message }));
    case 'not-successful':
      return json(200, failed({ code: answer.code, message: answer.message }));
    case 'html': {
      const page = `<!DOCTYPE html><html><head><title>${answer.status}</title></head><body>error ${answer.status}</body></html>`;
      return new Response(page, { status: answer.status, headers: { 'content-type': 'text/html' } });
    }
    case 'hang-before-headers':
      return never(closed);
    case 'hang-in-body':
      await next();
      context.res = await halfOf(context.res);
      return undefined;
    case 'slow':
      await pause(answer.delayMs, undefined, { signal: closed });
      await next();
      return undefined;
    case 'lost-answer':
      break;
  }
  await next();
  context.env.incoming.socket.destroy();
  return undefined;
};

/** Lets each request of the API meet its fault. `closed` ends those that hang when the server stops. */
export const withFaults =
  (faults: Faults, closed: AbortSignal) =>
  async (context: Context<Env>, next: Next): Promise<Response | undefined> => {
    const url = new URL(context.req.url);
    const answer = faults.meetHttp({ method: context.req.method, path: `${url.pathname}${url.search}` });
    if (answer !== undefined) return meet(answer, context, next, closed);
    await next();
    return undefined;
  };
