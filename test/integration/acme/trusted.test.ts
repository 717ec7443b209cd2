import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAcmeArea } from '../../../src/acme/area.ts';
import { createKey, createRequest } from '../../../src/acme/client.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { readCertificate, saveCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { createTestHost } from '../../support/host.ts';
import { createSigner } from '../../support/signer.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { portsFor } from './ports.ts';
import { recordedEffects, settle } from './world.ts';

const production = 'https://acme-v02.api.letsencrypt.org/directory';

describe('a certificate that every device trusts, under settings that lead to one that fewer trust', () => {
  let world: LocalWorld;
  beforeAll(async () => {
    world = await startLocalWorld();
  });
  afterAll(async () => {
    await world.stop();
  });

  /** A store with a certificate that was ordered from a real authority, as far as the store says. */
  const storeOf = async (name: string, meta: object): Promise<AcmeDesired> => {
    const wanted = world.wishes(name);
    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
    const file = join(wanted.certificates, zoneName, 'current', 'meta.json');
    const before = JSON.parse(await readFile(file, 'utf8')) as object;
    const { public: _, ...plain } = { public: undefined, ...before };
    // The file itself stays as it is: a version is never changed by the program.
    await writeFile(file, JSON.stringify({ ...plain, ...meta }));
    world.authority.requests.length = 0;
    return wanted;
  };
  const version = async (wanted: AcmeDesired) => (await readCertificate(wanted, zoneName))?.version;
  const lesser = () => new URL(world.authority.directoryUrl).host;

  test.each([
    ['it was written down so', { directory: 'https://ca.example.net/directory', public: true }],
    ["it is an older one from Let's Encrypt", { directory: production }],
  ])('is kept (%s): no order, not even by hand, and the way out is named', async (_case, meta) => {
    const wanted = await storeOf(`kept-${Object.keys(meta).length}`, meta);

    const { planned, facts } = await settle(wanted);
    await world.work(wanted);
    const { error } = await world.order(wanted, true);

    expect(planned).not.toContain(`issue certificate for ${zoneName}`);
    expect(facts).toMatchObject({
      [`certificate:${zoneName}`]: true,
      'ca.api': {
        because: 'conflict',
        hint: expect.stringContaining(`up -- --replace-trusted ${lesser()}`) as unknown,
      },
    });
    expect(error).toMatchObject({ code: 'CERTIFICATE_KEPT' });
    expect(world.authority.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
    expect(await version(wanted)).toBe('versions/1');
  });

  test('is given up where the authority is named, and only that one', async () => {
    const wanted = await storeOf('given-up', { directory: production, public: true });
    const { signal } = new AbortController();
    const look = async (replaceTrusted: string) => {
      const area = createAcmeArea(portsFor(wanted), { replaceTrusted });
      return { area, steps: area.plan(wanted, await area.observe(wanted, signal)) };
    };
    const other = await world.order(wanted, true, 'ca.example.net');
    expect((await look('ca.example.net')).steps.map((step) => step.kind)).not.toContain('issue');

    const { area, steps } = await look(lesser());
    const [step] = steps.filter((one) => one.kind === 'issue');
    if (step === undefined) throw new Error('nothing is planned');
    await area.apply.issue(step, recordedEffects(), signal);

    expect(other.error).toMatchObject({ code: 'CERTIFICATE_KEPT' });
    expect(await version(wanted)).toBe('versions/2');
    expect((await settle(wanted)).facts['ca.api']).toBe(true);
  });
});

test('up stops at it before anything is touched, and says what to do', async () => {
  const host = await createTestHost('trusted');
  try {
    const certificates = join(host.state, 'certificates');
    await mkdir(certificates, { recursive: true });
    const domain = 'skylab.localhost';
    const names = [`netbird.${domain}`, `pocketid.${domain}`];
    const keyPem = await createKey();
    const csr = (await createRequest(names, keyPem)).replaceAll(/-----[^-]+-----|\s/g, '');
    const signer = await createSigner();
    const chainPem = await signer.sign(
      Buffer.from(csr, 'base64').toString('base64url'),
      Date.now() - 86_400_000,
      90 * 86_400_000,
    );
    const meta = { directory: production, names, serial: '0A', issued_at: '', public: true };
    await saveCertificate(certificates, domain, { pair: { keyPem, chainPem }, meta }, recordedEffects());

    const up = await host.run(['up'], { DOCKER_HOST: 'unix:///nowhere/docker.sock' });

    expect(up.code).toBe(78);
    expect(up.stderr).toMatch(/error\[CERTIFICATE_KEPT\]: the certificate that is served from acme-v02/);
    expect(up.stderr).toMatch(/fix: put certificates\.directory and certificates\.trust back before/);
    expect(up.stderr.match(/error\[/g)).toHaveLength(1);
  } finally {
    await host.remove();
  }
});
