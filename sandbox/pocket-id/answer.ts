import type { ContentfulStatusCode } from 'hono/utils/http-status';

import type { Call } from './service.ts';

/** JSON as the admin API sends it. */
export const json = (call: Call, body: unknown, status: ContentfulStatusCode = 200): Response =>
  call.body(JSON.stringify(body), status, { 'Content-Type': 'application/json; charset=utf-8' });

/** JSON as the OAuth endpoints send it: never cached (RFC 6749 §5.1). */
export const oauthJson = (call: Call, body: unknown, status: ContentfulStatusCode = 200): Response =>
  call.body(JSON.stringify(body), status, {
    'Cache-Control': 'no-store',
    'Content-Type': 'application/json;charset=UTF-8',
  });

export const noContent = (call: Call): Response => call.body(null, 204);

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&#34;');

/** A redirect inside Pocket ID: 302 with a small page. */
export const found = (call: Call, location: string): Response =>
  call.body(`<a href="${escapeHtml(location)}">Found</a>.\n\n`, 302, {
    'Content-Type': 'text/html; charset=utf-8',
    Location: location,
  });

/** The answer of the authorization endpoint to the client: 303 to its redirect address. */
export const seeOther = (call: Call, location: string): Response =>
  call.body(null, 303, { 'Cache-Control': 'no-store', Location: location });
