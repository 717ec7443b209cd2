import type { Answer, Http } from '../../../../src/shared/http.ts';

export type Fetch = (request: Request) => Response | Promise<Response>;

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const answerOf = async (response: Response): Promise<Answer> => {
  const text = await response.text();
  const cookies = response.headers.getSetCookie();
  return {
    status: response.status,
    headers: {
      ...Object.fromEntries(response.headers),
      ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }),
    },
    text,
    json: () => parsed(text),
  };
};

/** Our HTTP client in front of a server in this process: no sockets, no redirects followed. */
export const httpTo = (server: Fetch): Http => ({
  async call(method, url, { headers = {}, body, signal } = {}) {
    signal?.throwIfAborted();
    const request = new Request(url, { method, headers, ...(body === undefined ? {} : { body }) });
    return answerOf(await server(request));
  },
  fetch: async (input, init) => server(new Request(input, { ...init, redirect: 'manual' })),
  lookup: () => undefined,
  close: () => undefined,
});
