import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSurroundings } from '../../../src/acme/area.ts';
import { obtain } from '../../../src/acme/issue.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { workOnce } from '../../../src/acme/renewal/round.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { startAuthority, type TestAuthority } from '../../support/authority.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';
import { portsFor } from './ports.ts';
import { recordedEffects } from './world.ts';

/**
 * An authority that does as it is told, the DNS provider of the sandbox with so many name servers, and stores in a folder of
 * their own.
 */
export const startLocalWorld = async (nameServers = 1) => {
  // One token for two zones, as where `_acme-challenge` is delegated.
  const zones = [zoneName, 'other.test'];
  const provider = await startProvider({
    zones: [zoneName, 'other.test', 'given-away.test'],
    nameServers: Array.from({ length: nameServers }, () => ({})),
    tokens: [{ value: tokens.edit.value, zones }],
  });
  const aliasOf = (name: string) =>
    provider.records().find((record) => record.type === 'CNAME' && record.name === name)?.content;
  const records = () =>
    zones.flatMap((zone) => provider.records(zone)).filter((record) => record.type === 'TXT');
  const authority: TestAuthority = await startAuthority({
    txt: (name) =>
      records()
        .filter((record) => record.name === (aliasOf(name) ?? name))
        .map(({ content }) => content.replaceAll('"', '')),
  });
  const warned: string[] = [];
  const warn = (text: string) => void warned.push(text);
  const folder = await mkdtemp(join(tmpdir(), 'skylab-local-'));
  const rootFile = join(folder, 'root.pem');
  await writeFile(rootFile, authority.rootPem);
  const wishes = (store: string, more: Partial<AcmeDesired> = {}): AcmeDesired => ({
    domain: zoneName,
    names: [`netbird.${zoneName}`],
    directory: authority.directoryUrl,
    directoryCa: 'system',
    trust: { file: rootFile },
    certificates: join(folder, store),
    mark: 'skylab-test acme',
    cloudflare: { api: provider.apiUrl },
    dns: {
      resolvers: [],
      authoritative: provider.nameServers.map(({ port }) => `127.0.0.1:${port}`),
      ttl_seconds: 300,
    },
    ...more,
  });
  return {
    provider,
    authority,
    folder,
    wishes,
    /** What people were told that is no failure. */
    warned,
    /** Makes a record of somebody else. */
    async foreign(zone: string, fields: { type: string; name: string; content: string }) {
      const client = createHttp();
      const headers = {
        authorization: `Bearer ${tokens.edit.value}`,
        'content-type': 'application/json',
      };
      const found = await client.call('GET', `${provider.apiUrl}/zones?name=${zone}`, { headers });
      const { result } = found.json() as { result: { id: string }[] };
      const url = `${provider.apiUrl}/zones/${result[0]?.id ?? ''}/dns_records`;
      const made = await client.call('POST', url, {
        headers,
        body: JSON.stringify({ ...fields, ttl: 60 }),
      });
      client.close();
      if (made.status !== 200) throw new Error(`the provider refuses the record: ${made.text}`);
    },
    /** Makes a TXT record in our zone that carries this comment. */
    marked: async (name: string, comment: string) =>
      provider.add({ type: 'TXT', name, content: '"of an ended run"', comment }),
    txtNames: () => records().map((record) => record.name),
    /** Orders where it is due, or though it is not; returns how that ended. `isHasty`: nothing is waited for long. */
    async order(wanted: AcmeDesired, force = false, replaceTrusted?: string, isHasty = false) {
      const ports = portsFor(wanted, 'a test', isHasty);
      const { signal } = new AbortController();
      const effects = recordedEffects();
      try {
        const around = await readSurroundings(wanted, ports, signal);
        const outcome = await obtain(
          { desired: wanted, ports, effects, warn, replaceTrusted },
          around,
          force,
          signal,
        );
        return { outcome, error: undefined, done: effects.done };
      } catch (error) {
        return { outcome: undefined, error, done: effects.done };
      }
    },
    /** One round of the renewer's work. */
    work: async (wanted: AcmeDesired) =>
      workOnce(
        { desired: wanted, ports: portsFor(wanted), warn },
        recordedEffects(),
        new AbortController().signal,
      ),
    async stop() {
      await authority.close();
      await provider.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

export type LocalWorld = Awaited<ReturnType<typeof startLocalWorld>>;
