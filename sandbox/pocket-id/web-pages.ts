import { json } from './answer.ts';
import type { App, Call } from './service.ts';

const page = (call: Call, text: string): Response =>
  call.body(
    `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Stand-in for Pocket ID</title>
<h1>This is a stand-in for Pocket ID</h1>
<p>${text}</p>
</html>
`,
    200,
    {
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'Content-Type': 'text/html; charset=utf-8',
    },
  );

/** What stands where the real server has its web application; says plainly that this is not it. */
export const addWebPages = (app: App): void => {
  app.get('/lc/:token', (call) =>
    page(
      call,
      'With the real server this link signs you in, once, and you add a passkey. The stand-in has no sign-in page and left the link unused.',
    ),
  );

  app.notFound((call) => {
    const { path } = call.req;
    if (!path.startsWith('/api/'))
      return page(call, 'It answers the API of Pocket ID in a sandbox; it has no pages of its own.');
    if (call.req.method === 'GET' && path.length > '/api/'.length && path.endsWith('/')) {
      const { search } = new URL(call.req.url);
      return call.redirect(`${path.replace(/\/+$/, '')}${search}`, 301);
    }
    return json(call, { error: 'API endpoint not found' }, 404);
  });
};
