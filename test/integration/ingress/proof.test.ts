import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TlsProofPorts } from '../../../src/ingress/doors/finding.ts';
import { proveTls } from '../../../src/ingress/proof.ts';
import { exitCodeOfReport } from '../../../src/orchestrator/report/check.ts';
import type { Settings } from '../../../src/settings/settings.ts';
import { readText } from '../../../src/shared/files.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { testSettings } from '../../support/settings.ts';
import { createAuthority } from './support/authority.ts';
import { findNginx } from './support/find-nginx.ts';
import { identity, mesh, prepareStack, type Stack } from './support/stack.ts';
import { apiKey } from './support/upstream.ts';

const program = await findNginx();
const hourMs = 3_600_000;

describe.skipIf('missing' in program)('verify-tls', () => {
  let stack: Stack;
  beforeEach(async () => {
    if (!('missing' in program)) stack = await prepareStack(program.folder);
  });
  afterEach(async () => stack.close());

  const settingsOf = (): Settings => {
    const settings = testSettings(stack.nginx.folder);
    const { domain, port, places } = stack.nginx.desired;
    return {
      ...settings,
      domain,
      addresses: {
        ...settings.addresses,
        mesh,
        identity,
        port,
        identityLoopback: `http://127.0.0.1:${stack.upstreams.identity.port}`,
      },
      paths: { ...settings.paths, certificates: places.certificates },
    };
  };
  const prove = async (ports: Partial<TlsProofPorts> = {}, settings = settingsOf()) => {
    const http = createHttp();
    const report = await proveTls(
      settings,
      {
        readText,
        trustedRoots: async () => Promise.resolve([stack.authority.root]),
        http,
        identityKey: async () => Promise.resolve(apiKey),
        localCa: async () => Promise.resolve(undefined),
        ...ports,
      },
      AbortSignal.timeout(60_000),
    );
    http.close();
    return report;
  };
  /** Every check that did not pass, as `id status`. */
  const notPassed = async (ports: Partial<TlsProofPorts> = {}, settings = settingsOf()) =>
    (await prove(ports, settings)).checks
      .filter((check) => check.status !== 'passed')
      .map((check) => `${check.id} ${check.status}`);
  /** Starts nginx with its files changed: the text must be there to be replaced. */
  const misconfigured = async (from: string | RegExp, to: string) => {
    let found = 0;
    await stack.nginx.putFiles(stack.nginx.desired, (_path, text) =>
      text.replace(from, () => {
        found += 1;
        return to;
      }),
    );
    if (found === 0) throw new Error(`nothing to replace: ${String(from)}`);
    await stack.nginx.start();
  };
  const bothNames = (check: string) => [`tls.${check}.${identity} failed`, `tls.${check}.${mesh} failed`];

  test('passes where everything is as it should be, and names what it saw', async () => {
    await stack.nginx.start();

    const report = await prove();

    expect(report.checks.filter((check) => check.status !== 'passed')).toEqual([]);
    expect(report.checks.map((check) => check.id)).toEqual([
      ...[identity, mesh].flatMap((name) =>
        ['chain', 'names', 'dates', 'serial', 'http2'].map((check) => `tls.${check}.${name}`),
      ),
      'tls.unknown-name',
      'route.grpc.management',
      'route.grpc.signal',
      'route.websocket.relay',
      'route.websocket.management',
      'route.websocket.signal',
      'closed.setup',
      'closed.api-key',
    ]);
    expect(exitCodeOfReport(report)).toBe(0);
  });

  test('cannot begin where nothing listens', async () => {
    await expect(prove()).rejects.toMatchObject({
      code: 'PROOF_NOT_STARTED',
      message: expect.stringContaining('ECONNREFUSED') as unknown,
    });
  });

  test('fails where the certificate chains to another root', async () => {
    await stack.nginx.start();
    const other = await createAuthority();

    // Nor does the key leave for a server that is not trusted.
    expect(await notPassed({ trustedRoots: async () => Promise.resolve([other.root]) })).toEqual([
      `tls.chain.${identity} failed`,
      `tls.chain.${mesh} failed`,
      'closed.api-key skipped',
    ]);
  });

  test('fails where the certificate does not hold a name', async () => {
    await stack.nginx.putCertificate(await stack.authority.issue([identity]));
    await stack.nginx.start();

    expect(await notPassed()).toEqual([`tls.names.${mesh} failed`]);
  });

  test.each([
    ['has run out', { fromMs: -2 * hourMs, toMs: -hourMs }],
    ['is not valid yet', { fromMs: hourMs, toMs: 2 * hourMs }],
  ])('fails where the certificate %s', async (_what, validity) => {
    await stack.nginx.putCertificate(await stack.authority.issue([identity, mesh], validity));
    await stack.nginx.start();

    expect(await notPassed()).toEqual([...bothNames('dates'), 'closed.api-key skipped'].sort(byReport));
  });

  test('fails where another certificate is served than the store has', async () => {
    await stack.nginx.start();
    const settings = settingsOf();
    const certificates = join(stack.nginx.folder, 'another-store');
    await mkdir(join(certificates, settings.domain, 'current'), { recursive: true });
    const { fullchain } = await stack.authority.issue([identity, mesh]);
    await writeFile(join(certificates, settings.domain, 'current', 'fullchain.pem'), fullchain);

    const failed = await notPassed({}, { ...settings, paths: { ...settings.paths, certificates } });

    expect(failed).toEqual(bothNames('serial'));
  });

  test('waits for a certificate that nginx is about to take up', async () => {
    await stack.nginx.start();
    await stack.nginx.putCertificate(await stack.authority.issue([identity, mesh]));

    expect(await notPassed()).toEqual([]);
  });

  test('fails where HTTP/2 is not spoken', async () => {
    await misconfigured('http2 on;', '');

    expect(await notPassed()).toEqual(
      [...bothNames('http2'), 'route.grpc.management failed', 'route.grpc.signal failed'].sort(byReport),
    );
  });

  test('fails where an unknown name is served', async () => {
    await misconfigured('ssl_reject_handshake on;', '');

    expect(await notPassed()).toEqual(['tls.unknown-name failed']);
  });

  test('fails where gRPC to management ends at the dashboard', async () => {
    await misconfigured('/management.ManagementService/', '/elsewhere/');

    expect(await notPassed()).toEqual(['route.grpc.management failed']);
  });

  test('fails where management answers without a key', async () => {
    await stack.nginx.start();
    stack.upstreams.management.behaviour.serverKey = Buffer.alloc(0);

    expect(await notPassed()).toEqual(['route.grpc.management failed']);
  });

  test('fails where signal refuses', async () => {
    await stack.nginx.start();
    stack.upstreams.signal.behaviour.grpcStatus = '12';

    expect(await notPassed()).toEqual(['route.grpc.signal failed']);
  });

  test.each([
    ['relay', '/relay'],
    ['management', '/ws-proxy/management'],
    ['signal', '/ws-proxy/signal'],
  ] as const)('fails where the WebSocket of %s is not open', async (service, path) => {
    await misconfigured(`location ${path} {`, 'location /elsewhere {');
    stack.upstreams.dashboard.behaviour.speaksWebSocket = false;

    expect(await notPassed()).toEqual([`route.websocket.${service} failed`]);
  });

  test('fails where an upgrade leads to something else than a WebSocket', async () => {
    await stack.nginx.start();
    stack.upstreams.relay.behaviour.speaksWebSocket = false;

    expect(await notPassed()).toEqual(['route.websocket.relay failed']);
  });

  test('fails where a service is not there, and says how nginx answered', async () => {
    stack.names.table.delete('relay.test');
    await stack.nginx.start();

    const report = await prove();

    expect(report.checks.filter((check) => check.status !== 'passed')).toMatchObject([
      { id: 'route.websocket.relay', status: 'failed', detail: 'HTTP 502' },
    ]);
    expect(exitCodeOfReport(report)).toBe(2);
  });

  test.each<[string, string | RegExp, string]>([
    ['are open', 'location ~* ^(', 'location ~* ^/elsewhere('],
    ['are closed in one spelling only', 'location ~* ^(', 'location ~ ^('],
    ['are closed without what is below them', '(/|$) {', '$ {'],
    ['answer 404 by Pocket ID itself', /location ~\* \^\(\S+ \{[^}]*\}/, 'location /setup { return 404; }'],
  ])('fails where the set-up pages %s', async (_what, from, to) => {
    await misconfigured(from, to);

    expect(await notPassed()).toEqual(['closed.setup failed']);
  });

  test('fails where nginx passes API keys on', async () => {
    await misconfigured('proxy_set_header X-API-Key "";', '');

    expect(await notPassed()).toEqual(['closed.api-key failed']);
  });

  test('does not say that keys do nothing where the key does nothing anyway', async () => {
    await stack.nginx.start();

    const wrong = await prove({ identityKey: async () => Promise.resolve('a-wrong-key') });

    expect(wrong.checks.at(-1)).toMatchObject({
      id: 'closed.api-key',
      status: 'skipped',
      detail: 'Pocket ID does not take the key over loopback either: HTTP 401',
    });
    expect(exitCodeOfReport(wrong)).toBe(3);
    expect(await notPassed({ identityKey: async () => Promise.resolve(undefined) })).toEqual([
      'closed.api-key skipped',
    ]);
  });
});

/** The order in which the report lists checks: those of names first, each name's together. */
const byReport = (a: string, b: string): number => rank(a) - rank(b);
const rank = (text: string): number =>
  ['tls.', 'route.', 'closed.'].findIndex((start) => text.startsWith(start)) * 10 +
  (text.includes(mesh) ? 1 : 0);
