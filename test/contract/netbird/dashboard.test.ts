import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDashboard } from '../../../sandbox/netbird/dashboard.ts';
import type { Running } from '../../../sandbox/netbird/running.ts';

/* The dashboard's answers as the README of the recordings and the start script of the real image have them. */

const variables = {
  AUTH_AUTHORITY: 'https://pocketid.lab.test:8443',
  AUTH_CLIENT_ID: 'netbird',
  AUTH_AUDIENCE: 'netbird',
  AUTH_SUPPORTED_SCOPES: 'openid profile email groups',
  USE_AUTH0: 'false',
  NETBIRD_MGMT_API_ENDPOINT: 'https://netbird.lab.test:443',
};

let folder: string;
let running: Running | undefined;
let lines: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'netbird-dashboard-'));
  lines = [];
});

afterEach(async () => {
  await running?.close();
  running = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const trustedDomainsFile = (): string => join(folder, 'html', 'OidcTrustedDomains.js');

const start = async (change: Readonly<Record<string, string | undefined>> = {}): Promise<string> => {
  running = await createDashboard({
    variables: { ...variables, ...change },
    port: 0,
    host: '127.0.0.1',
    trustedDomainsFile: trustedDomainsFile(),
    log: (line) => void lines.push(line),
  });
  return `http://127.0.0.1:${running.ports['main']}`;
};

test('the front page says that it is a stand-in, and for which issuer', async () => {
  const response = await fetch(await start());
  const page = await response.text();

  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/html');
  expect(page).toContain('stand-in');
  expect(page).toContain('https://pocketid.lab.test:8443');
});

test.each(['/auth/callback', '/auth/callback?code=1&state=2', '/auth/silent-callback', '/peers'])(
  '%s is 404 with the page in it',
  async (path) => {
    const url = await start();
    const response = await fetch(url + path);

    expect(response.status).toBe(404);
    expect(await response.text()).toBe(await (await fetch(url)).text());
  },
);

test('the page may connect to the API, its WebSockets and the issuer', async () => {
  const response = await fetch(await start());

  expect(response.headers.get('content-security-policy')).toContain(
    "connect-src 'self' https://pocketid.lab.test:8443 https://netbird.lab.test wss://netbird.lab.test",
  );
});

test('once templated, the file that health checks look for is there and served', async () => {
  const url = await start();

  expect(readFileSync(trustedDomainsFile(), 'utf8')).toContain('https://pocketid.lab.test:8443');
  expect((await fetch(`${url}/OidcTrustedDomains.js`)).status).toBe(200);
});

test.each(Object.keys(variables))(
  'without %s it says so, and serves the page untemplated and without that file',
  async (name) => {
    const url = await start({ [name]: undefined });

    expect(lines).toEqual([`${name} environment variable must be set`]);
    expect((await fetch(url)).status).toBe(200);
    expect(await (await fetch(url)).text()).toContain('$AUTH_AUTHORITY');
    expect(existsSync(trustedDomainsFile())).toBe(false);
  },
);

test('a setting cannot break out of the page', async () => {
  const page = await (await fetch(await start({ AUTH_CLIENT_ID: '<script>alert(1)</script>' }))).text();

  expect(page).not.toContain('<script>');
});
