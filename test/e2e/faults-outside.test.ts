import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codesIn, complaint, halfWritten } from '../integration/faults/support.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * What lies outside the stack refuses, or does not do what it should, before there is a certificate: the DNS provider,
 * its name servers, the certificate authority.
 */

let host: TestHost;
let override: string;
beforeAll(async () => {
  host = await createTestHost('outside');
  override = join(host.folder, 'hosts', host.name, 'compose.yaml');
});
afterAll(async () => host.remove());

const setToken = async (token: object): Promise<void> =>
  host.change((settings) => {
    settings['cloudflare'] = { ...(settings['cloudflare'] as object), token };
  });

const replaceInOverride = async (from: string, to: string): Promise<void> => {
  const text = await readFile(override, 'utf8');
  expect(text).toContain(from);
  await writeFile(override, text.replace(from, to));
};

/** Tells the provider what is to go wrong; it takes that from inside its own container only. */
const setFaults = async (faults: object): Promise<void> => {
  const script = `
    const answer = await fetch('http://127.0.0.1:${host.ports.api}/sandbox/faults', {
      method: 'PUT',
      body: ${JSON.stringify(JSON.stringify(faults))},
    });
    if (!answer.ok) throw new Error(await answer.text());`;
  const name = `${host.project}-cloudflare-1`;
  const args = ['exec', name, '/usr/bin/node', '--input-type=module', '-e', script];
  const { code, stderr } = await runProgram('docker', args);
  expect([code, stderr]).toEqual([0, '']);
};

/** TXT records for certificates that are still at the provider. */
const leftovers = async (): Promise<readonly string[]> => {
  const script = `
    const head = { headers: { authorization: 'Bearer sandbox-token' } };
    const base = 'http://127.0.0.1:${host.ports.api}/client/v4/zones';
    const zones = await (await fetch(base, head)).json();
    const all = await (await fetch(base + '/' + zones.result[0].id + '/dns_records?type=TXT', head)).json();
    console.log(JSON.stringify(all.result.map((one) => one.name)));`;
  const name = `${host.project}-cloudflare-1`;
  const args = ['exec', name, '/usr/bin/node', '--input-type=module', '-e', script];
  return JSON.parse((await runProgram('docker', args)).stdout) as string[];
};

/**
 * Takes containers away, so that they start anew: what they said before is no answer any more.
 */
const forget = async (...services: readonly string[]): Promise<void> => {
  const names = services.map((service) => `${host.project}-${service}-1`);
  const { code } = await runProgram('docker', ['rm', '-f', ...names]);
  expect(code).toBe(0);
};

/** An authority's own word holds for a while, and nobody waits for that here. */
const forgetRefusals = async (): Promise<void> =>
  rm(join(host.state, 'certificates', 'skylab.localhost', 'attempts.json'));

/** Both names are ordered at the same time; either may be the first that fails. */
const anyName = (text: string): string => text.replaceAll(/_acme-challenge\.\w+/g, '_acme-challenge.<name>');

describe('without a certificate', () => {
  test('a token that is nowhere is said once, with where it was looked for', async () => {
    await replaceInOverride('ZONE: ${SKYLAB_DOMAIN:?}', 'ZONE: elsewhere.localhost');
    await setToken({ env: 'NO_SUCH_TOKEN' });
    const up = await host.run(['up']);

    expect(up.code).toBe(78);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SECRET_UNREADABLE]: the environment has no NO_SUCH_TOKEN
        fix: export NO_SUCH_TOKEN=…, then run it again
        see: docs/errors.md#secret_unreadable
        while: find the zone of skylab.localhost; issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('a token file that others can read is refused', async () => {
    await writeFile(join(host.folder, 'token'), 'sandbox-token\n', { mode: 0o644 });
    await setToken({ file: join(host.folder, 'token') });
    const up = await host.run(['up']);

    expect(up.code).toBe(78);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SECRET_UNREADABLE]: <folder>/token can be read by others (mode 644, wanted 600)
        fix: chmod 600 <folder>/token
        see: docs/errors.md#secret_unreadable
        while: find the zone of skylab.localhost; issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('a token that the provider does not know is said, and never shown', async () => {
    await setToken({ value: 'wrong-token-0123456789' });
    const up = await host.run(['up']);
    await setToken({ value: 'sandbox-token' });

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[DNS_API_DENIED]: cannot look for the zone skylab.localhost: the token is unknown, has expired, or was made for something else (cloudflare.localhost:<api port> answered 403: 9109 Invalid access token)
        fix: make a token with the template "Edit zone DNS" for this zone and put it where cloudflare.token says
        see: docs/errors.md#dns_api_denied
        while: find the zone of skylab.localhost; issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(up.stderr + up.stdout).not.toContain('wrong-token-0123456789');
  });

  test('a domain that is in no zone of the token is said', async () => {
    const up = await host.run(['up']);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ZONE_NOT_FOUND]: no zone for skylab.localhost: looked for skylab.localhost; the token sees elsewhere.localhost
        fix: set domain to a zone of this account, or make a token for the zone: docs/cloudflare.md
        see: docs/errors.md#zone_not_found
        while: find the zone of skylab.localhost; issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('an authority that refuses the names is said with its reason', async () => {
    await replaceInOverride('ZONE: elsewhere.localhost', 'ZONE: ${SKYLAB_DOMAIN:?}');
    await replaceInOverride('"blocked-domain.example"', '"skylab.localhost"');
    await forget('cloudflare');
    const up = await host.run(['up']);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[CA_REFUSED]: pebble.localhost:<ca port> refuses POST /order-plz: [rejectedIdentifier] Order included an identifier for which issuance is forbidden by policy: "netbird.skylab.localhost"; netbird.skylab.localhost: netbird.skylab.localhost is a forbidden domain
        fix: this authority does not issue for that name: choose another certificates.directory
        see: docs/errors.md#ca_refused
        while: issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await leftovers()).toEqual([]);
    await replaceInOverride('"skylab.localhost"', '"blocked-domain.example"');
    await forgetRefusals();
  });

  test('a token that may read and not edit is said', async () => {
    const answer = { kind: 'error', status: 403, code: 10_000, message: 'Authentication error' };
    await setFaults({ http: [{ method: 'POST', path: '/dns_records', answer }] });
    const up = await host.run(['up']);

    expect(up.code).toBe(3);
    expect(anyName(complaint(host, up))).toMatchInlineSnapshot(`
      "error[DNS_API_DENIED]: cannot create TXT _acme-challenge.<name>.skylab.localhost: the token may read this zone and not edit it (cloudflare.localhost:<api port> answered 403: 10000 Authentication error)
        fix: make a token with the template "Edit zone DNS" for this zone and put it where cloudflare.token says
        see: docs/errors.md#dns_api_denied
        while: issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('records that never reach the name servers are said with what was seen, and taken away again', async () => {
    await setFaults({ dns: [{ type: 'TXT', answer: { kind: 'stale' } }] });
    const up = await host.run(['up']);

    expect(up.code).toBe(3);
    expect(anyName(complaint(host, up))).toMatchInlineSnapshot(`
      "error[DNS_NOT_PROPAGATED]: TXT _acme-challenge.<name>.skylab.localhost is not on every name server after 120 s: dns.localhost:<dns port> (127.0.0.1) answered: NXDOMAIN
        fix: check that the domain is delegated to the name servers that Cloudflare names, then run it again
        see: docs/errors.md#dns_not_propagated
        while: issue certificate for skylab.localhost
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await leftovers()).toEqual([]);
    await setFaults({});
  });

  test('the run without any of these is whole, and nothing was left half-written', async () => {
    const up = await host.run(['up']);

    expect(codesIn(up)).toEqual([]);
    expect(up.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(up.code).toBe(0);
    expect(await halfWritten(host.folder)).toEqual([]);
  });
});
