import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname } from 'node:path';
import { dashboardPage, pageSettings, type PageSettings } from './dashboard-page.ts';
import { listen, stopListening, type Log, type Running } from './running.ts';

/** What a dashboard is started with; the environment of the real one has the same meaning. */
export interface DashboardOptions {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** 0 takes any free port. */
  readonly port: number;
  /** Absent: every address. */
  readonly host?: string;
  /** Written once the page is templated: health checks look for it. */
  readonly trustedDomainsFile: string;
  readonly log: Log;
}

/**
 * Starts a stand-in for NetBird's dashboard. `/` is 200 with a page; every other path is 404 *with the page in it*,
 * which is how the real one receives its logins. When a required variable is missing it says so in one line, leaves
 * the page untemplated and goes on serving, as the real one does.
 */
export async function createDashboard(options: DashboardOptions): Promise<Running> {
  const settings = pageSettings(options.variables);
  const trustedDomains = trustedDomainsScript(settings.given);
  if (settings.missing === undefined) {
    mkdirSync(dirname(options.trustedDomainsFile), { recursive: true });
    writeFileSync(options.trustedDomainsFile, trustedDomains);
  } else {
    options.log(`${settings.missing} environment variable must be set`);
  }
  const page = dashboardPage(settings.given);
  const headers = { 'content-security-policy': contentSecurityPolicy(settings.given) };
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, headers).end();
      return;
    }
    if (path === '/OidcTrustedDomains.js' && settings.missing === undefined) {
      response.writeHead(200, { ...headers, 'content-type': 'application/javascript' }).end(trustedDomains);
      return;
    }
    response.writeHead(path === '/' ? 200 : 404, { ...headers, 'content-type': 'text/html' }).end(page);
  });
  const port = await listen(server, options.port, options.host);
  return {
    ports: { main: port },
    close: async () => {
      const stopped = stopListening(server);
      server.closeAllConnections();
      await stopped;
    },
  };
}

/** Where the page may connect: itself, the API (WebSocket too) and the issuer. */
function contentSecurityPolicy({ authority, apiEndpoint }: PageSettings): string {
  const origins = [authority, apiEndpoint, apiEndpoint.replace(/^http/, 'ws')].flatMap(originOf);
  return `default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src ${["'self'", ...origins].join(' ')}`;
}

function originOf(address: string): readonly string[] {
  try {
    const { protocol, host } = new URL(address);
    return [`${protocol}//${host}`];
  } catch {
    return [];
  }
}

const trustedDomainsScript = ({ authority, apiEndpoint }: PageSettings): string =>
  `const trustedDomains = { default: ${JSON.stringify([authority, apiEndpoint])} };\n`;
