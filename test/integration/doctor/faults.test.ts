import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { doctorReport, examinationsOf } from '../../../src/doctor/list.ts';
import type { Check } from '../../../src/orchestrator/report/check.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { tokens, zoneName } from '../../support/cloudflare.ts';
import { startWorld, type World } from './support/world.ts';

/*
 * One thing at a time is broken, and exactly that check finds it: all others pass, or are skipped because of it.
 */

const signal = new AbortController().signal;
let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(async () => world.close());

const examine = async (): Promise<readonly Check[]> =>
  (await doctorReport(world.view(signal), signal)).checks;
const idsOf = (checks: readonly Check[], status: Check['status']) =>
  checks.filter((one) => one.status === status).map((one) => one.id);

const breakProof = (id: string) => {
  world.proofs = world.proofs.map((one) =>
    one.id === id ? { ...one, status: 'failed', detail: 'HTTP 502', fix: 'look' } : one,
  );
};
const stop = (service: string) => {
  world.containers = world.containers.map((one) =>
    one.service === service ? { ...one, state: 'exited', healthy: false } : one,
  );
};
/** Upstream, built or stand-in, as the label of its container says. */
const runs = (service: string, imageKind: string) => {
  world.containers = world.containers.map((one) => (one.service === service ? { ...one, imageKind } : one));
};
const oldDs = { keyTag: 2371, algorithm: 13, digestType: 2, digest: Buffer.alloc(32) };

/** Check, what is broken, and words of the cause. */
const faults: readonly (readonly [string, string, () => void | Promise<unknown>, string])[] = [
  [
    'engine',
    'the Engine is down',
    () => {
      world.engineError = new StackError('ENGINE_UNREACHABLE', 'the Engine does not answer', {
        hint: 'start it',
      });
    },
    'does not answer',
  ],
  ['disk', 'the disk is full', () => (world.room = { ...world.room, freeBytes: 1024 }), '0 MiB free'],
  ['disk', 'there are no inodes left', () => (world.room = { ...world.room, freeFiles: 7 }), '7 more files'],
  ['memory', 'memory is short', () => (world.availableKibibytes = 100 * 1024), '100 MiB available'],
  [
    'settings',
    'the settings have two problems',
    () => {
      world.brokenSettings = new StackError('SETTINGS_INVALID', 'x: 2 problems\n  domain: a\n  names: b', {
        hint: 'edit x',
      });
    },
    'domain: a\n  names: b',
  ],
  ['resolver', 'no resolver answers', () => (world.resolverIsSilent = true), 'does not answer'],
  ['internet', 'there is no way out', () => (world.unreachable = 'ENETUNREACH'), '(ENETUNREACH)'],
  [
    'internet',
    'something breaks TLS in between',
    () => (world.unreachable = 'SELF_SIGNED_CERT_IN_CHAIN'),
    'SELF_SIGNED_CERT_IN_CHAIN',
  ],
  ['clock', 'the clock is behind', () => (world.clockOffsetMs = 400_000), '400 s behind'],
  [
    'clock',
    'the clock is years off',
    () => (world.unreachable = 'CERT_NOT_YET_VALID'),
    'is not valid at the time',
  ],
  ['token', 'the token may only read', () => (world.token = tokens.read.value), 'and not edit it'],
  ['token', 'the token is for another zone', () => (world.token = tokens.other.value), 'only other.test'],
  ['token', 'the token is unknown', () => (world.token = 'nobodys'), 'unknown'],
  [
    'delegation',
    'the domain is still at Namecheap',
    () => (world.nameServers = ['dns1.registrar-servers.com', 'dns2.registrar-servers.com']),
    '(Namecheap)',
  ],
  [
    'records',
    'a name leads to two addresses',
    async () => world.provider.add({ name: `turn.${zoneName}`, type: 'A', content: '203.0.113.9' }),
    `turn.${zoneName} leads to 192.168.7.5 and 203.0.113.9`,
  ],
  [
    'records',
    'some devices are led elsewhere over IPv6',
    async () => world.provider.add({ name: `netbird.${zoneName}`, type: 'AAAA', content: '2001:db8::9' }),
    `netbird.${zoneName} leads to 192.168.7.5 and 2001:db8::9`,
  ],
  ['rebind-protection', 'the router hides private addresses', () => (world.resolved = []), 'an empty answer'],
  [
    'caa',
    'CAA names another authority',
    async () => world.provider.add({ name: zoneName, type: 'CAA', content: '0 issue "other.example"' }),
    'only other.example',
  ],
  [
    'caa',
    'CAA names an account that is not ours',
    async () =>
      world.provider.add({
        name: `pocketid.${zoneName}`,
        type: 'CAA',
        content: '0 issue "letsencrypt.org; accounturi=https://acme.example/1"',
      }),
    'only the account https://acme.example/1',
  ],
  ['dnssec', 'the parent holds an old DS record', () => (world.ds = [oldDs]), 'for the key 2371'],
  ['dnssec', 'a validating resolver refuses the zone', () => (world.isBogus = true), 'SERVFAIL'],
  [
    'ports',
    'another nginx holds the port',
    () => (world.listeners = 'tcp LISTEN 0 1 0.0.0.0:8443 0.0.0.0:* users:(("nginx",pid=7,fd=4))'),
    'held by nginx (process 7)',
  ],
  ['services', 'the relay has ended', () => stop('netbird-relay'), 'netbird-relay (exited)'],
  ['services', 'nginx has ended', () => stop('nginx'), 'nginx (exited)'],
  ['services', 'Pocket ID has ended', () => stop('pocket-id'), 'pocket-id (exited)'],
  ['certificate', 'nginx serves an old certificate', () => breakProof('tls.serial'), 'tls.serial'],
  ['certificate', 'the certificate was not renewed', () => (world.daysLeft = 9), '9 days left'],
  [
    'certificate',
    'nothing listens at the door',
    () => {
      world.proofError = new StackError('PROOF_NOT_STARTED', 'nothing listens', { hint: 'npm run up' });
    },
    'nothing listens',
  ],
  ['grpc', 'management does not get gRPC', () => breakProof('route.grpc.management'), 'HTTP 502'],
  ['websocket', 'signal gets no WebSocket', () => breakProof('route.websocket.signal'), 'HTTP 502'],
  ['closed', 'the set-up page is open', () => breakProof('closed.setup'), 'HTTP 502'],
  [
    'issuer',
    'Pocket ID runs with another address',
    () => (world.issuer = 'https://old.test'),
    'https://old.test',
  ],
  [
    'issuer',
    'management expects another issuer',
    () => (world.managementIssuer = `${world.issuer}/`),
    "NetBird's management expects",
  ],
  [
    'redirects',
    'a redirect address was taken away',
    () =>
      (world.redirects = {
        callbacks: world.redirects?.callbacks.slice(1) ?? [],
        logouts: world.redirects?.logouts ?? [],
      }),
    '/auth/callback is missing',
  ],
  ['redirects', 'the client is gone', () => (world.redirects = undefined), 'no client "netbird"'],
  ['relay', 'the relay gets no WebSocket', () => breakProof('route.websocket.relay'), 'HTTP 502'],
  ['stun', 'UDP does not come through', () => (world.stun.answer = 'nothing'), 'does not answer'],
  ['turn', 'coturn relays for everyone', () => (world.stun.isOpen = true), 'relays for everyone'],
  [
    'mesh-range',
    'Tailscale runs here, too',
    () => (world.interfaces = { ...world.interfaces, tailscale0: ['100.101.1.1/32'] }),
    'tailscale0',
  ],
  [
    'published-ports',
    'the database is published to everyone',
    () => {
      const port = { container: 'db', project: 'skylab-lab', service: 'postgres', protocol: 'tcp' };
      world.published = [{ ...port, address: '0.0.0.0', port: 5432 }];
    },
    'db on 0.0.0.0:5432/tcp',
  ],
  [
    'images',
    'a tag was moved since',
    () => (world.wantedImages = { nginx: { ref: 'nginx:1', kind: 'upstream', id: 'sha256:newer' } }),
    'nginx (nginx:1 is another image here than the one it was started with)',
  ],
  [
    'images',
    'another version is pinned now, and not here yet',
    () => (world.wantedImages = { nginx: { ref: 'nginx:2', kind: 'upstream', id: undefined } }),
    'nginx (wanted nginx:2)',
  ],
  [
    'images',
    'a registry answers that did not when the image was built here',
    () => {
      runs('nginx', 'built');
      world.wantedImages = { nginx: { ref: 'nginx:1', kind: 'upstream', id: undefined } };
    },
    'nginx was built here, and the published image can be had now (nginx:1)',
  ],
  [
    'images',
    'the real server can be had in place of a stand-in',
    () => {
      runs('pocket-id', 'stand-in');
      world.wantedImages = { 'pocket-id': { ref: 'pocket-id:2', kind: 'upstream', id: undefined } };
    },
    'pocket-id is a stand-in, and the real one can be had now (pocket-id:2)',
  ],
  [
    'images',
    'an image is gone, and its registry does not answer',
    () => (world.wantedImages = { nginx: { ref: 'own/nginx:1', gone: 'no answer' } }),
    'could not be made anew, because their images cannot be had: nginx (own/nginx:1: no answer)',
  ],
];

describe('doctor', () => {
  test('says which services are no published images, though nothing is behind', async () => {
    runs('nginx', 'built');
    runs('pocket-id', 'stand-in');

    expect((await examine()).find((one) => one.id === 'images')).toMatchObject({
      status: 'passed',
      detail: expect.stringMatching(/^\d+ services; built here: nginx; stand-ins: pocket-id$/) as string,
    });
  });

  test('passes every check where all is well', async () => {
    expect((await examine()).filter((one) => one.status !== 'passed')).toEqual([]);
  });

  test('fails nothing on a host that was never up', async () => {
    world.containers = [];

    const checks = await examine();
    expect(idsOf(checks, 'failed')).toEqual([]);
    expect(checks.find((one) => one.id === 'relay')).toMatchObject({
      status: 'skipped',
      detail: 'the stack is not up here: npm run up starts it',
    });
  });

  test.each(faults)('%s: %s', async (id, _what, breaks, cause) => {
    await breaks();

    const checks = await examine();
    expect(idsOf(checks, 'failed')).toEqual([id]);
    const found = checks.find((one) => one.id === id);
    expect(found?.detail).toContain(cause);
    expect(found?.fix).toBeTruthy();
    expect(found?.confirm).toBeTruthy();
    const skipped = checks.filter((one) => one.status === 'skipped');
    expect(skipped.filter((one) => !one.detail.includes(`because ${id} failed`))).toEqual([]);
  });

  test('every check is broken once', () => {
    const ids = examinationsOf(world.view(signal)).map((one) => one.id);

    expect(ids.filter((id) => faults.every(([broken]) => broken !== id))).toEqual([]);
  });

  test('no check waits for itself', () => {
    const all = examinationsOf(world.view(signal));
    const needs = new Map(all.map((one) => [one.id, one.needs]));
    const reaches = (from: string, to: string): boolean =>
      (needs.get(from) ?? []).some((next) => next === to || reaches(next, to));

    expect(all.flatMap((one) => one.needs.filter((id) => !needs.has(id)))).toEqual([]);
    expect(all.filter((one) => reaches(one.id, one.id))).toEqual([]);
  });

  test('ports that other containers publish are named, and are no failure', async () => {
    const port = { container: 'jellyfin', project: 'media', service: 'jellyfin', protocol: 'tcp' };
    world.published = [{ ...port, address: '0.0.0.0', port: 8096 }];

    expect((await examine()).find((one) => one.id === 'published-ports')).toMatchObject({
      status: 'passed',
      detail: expect.stringContaining('jellyfin on 0.0.0.0:8096/tcp') as string,
    });
  });

  test('a Pocket ID that was replaced just now is waited for', async () => {
    world.badGateways = 2;

    expect((await examine()).find((one) => one.id === 'issuer')).toMatchObject({ status: 'passed' });
  });

  test('a stop is obeyed in the middle', async () => {
    const controller = new AbortController();
    const stopped = new StackError('INTERRUPTED', 'interrupted', { hint: '' });
    world.stun.answer = 'nothing';
    const running = doctorReport(world.view(controller.signal), controller.signal);
    controller.abort(stopped);

    await expect(running).rejects.toBe(stopped);
  });
});
