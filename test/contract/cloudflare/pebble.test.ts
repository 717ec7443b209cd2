import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import acme from 'acme-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { sdkFor, startProvider, zoneName } from '../../support/cloudflare.ts';
import { findPebble, startPebble, type Pebble } from '../../support/pebble.ts';

const program = await findPebble();

describe.skipIf('missing' in program)('Pebble validates against the name server', () => {
  let provider: Provider;
  let pebble: Pebble;
  let client: acme.Client;

  beforeAll(async () => {
    provider = await startProvider();
    pebble = await startPebble({
      dnsServer: `127.0.0.1:${provider.dnsPort}`,
      certificateValidityPeriod: 3600,
    });
    acme.axios.defaults.httpsAgent = new Agent({ ca: pebble.caPem });
    client = new acme.Client({
      directoryUrl: pebble.directoryUrl,
      accountKey: await acme.crypto.createPrivateEcdsaKey(),
    });
    await client.createAccount({ termsOfServiceAgreed: true });
  });
  afterAll(async () => {
    await pebble.stop();
    await provider.close();
  });

  const order = async (names: readonly string[], withRecords: boolean) => {
    const { records } = sdkFor(provider).dns;
    const placed = await client.createOrder({ identifiers: names.map((value) => ({ type: 'dns', value })) });
    const made: string[] = [];
    for (const authorization of await client.getAuthorizations(placed)) {
      const challenge = authorization.challenges.find(({ type }) => type === 'dns-01');
      if (challenge === undefined) throw new Error('no dns-01 challenge');
      const name = `_acme-challenge.${authorization.identifier.value}`;
      const value = await client.getChallengeKeyAuthorization(challenge);
      if (withRecords) {
        const record = await records.create({
          zone_id: provider.zone.id,
          type: 'TXT',
          name,
          content: `"${value}"`,
          ttl: 60,
        });
        made.push(record.id);
      }
      await client.completeChallenge(challenge);
      await client.waitForValidStatus(challenge);
    }
    const [, csr] = await acme.crypto.createCsr(
      { altNames: [...names] },
      await acme.crypto.createPrivateEcdsaKey(),
    );
    const pem = await client.getCertificate(await client.finalizeOrder(placed, csr));
    for (const id of made) await records.delete(id, { zone_id: provider.zone.id });
    return pem;
  };

  test('a name and its wildcard are issued with two values at one name', async () => {
    const names = [zoneName, `*.${zoneName}`];

    const [leaf = '', intermediate = ''] = acme.crypto.splitPemChain(await order(names, true));

    const certificate = new X509Certificate(leaf);
    expect(certificate.subjectAltName?.split(', ').toSorted()).toEqual(
      names.map((name) => `DNS:${name}`).toSorted(),
    );
    expect(Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)).toBeLessThanOrEqual(
      3_600_000,
    );
    expect(
      new X509Certificate(intermediate).verify(new X509Certificate(await pebble.rootPem()).publicKey),
    ).toBe(true);
    expect(provider.records()).toEqual([]);
  });

  test('without the record the challenge fails', async () => {
    await expect(order([`missing.${zoneName}`], false)).rejects.toThrow(/Error retrieving TXT records/);
  });

  test('after a restart it issues under another root', async () => {
    const before = await pebble.rootPem();

    await pebble.restart();

    expect(await pebble.rootPem()).not.toBe(before);
  });
});
