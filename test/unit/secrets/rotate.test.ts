import { describe, expect, test } from 'vitest';
import { rotatable, writeNewValue } from '../../../src/secrets/rotate.ts';
import { ownSecrets } from '../../../src/settings/own-secrets.ts';
import type { SecretStore } from '../../../src/settings/secret-store.ts';
import { testSettings } from '../../support/settings.ts';
import { effectsFor, Killed } from '../../support/steps.ts';

const settings = testSettings(
  '/srv',
  'postgres: { databases: [{ name: immich }] }\nmesh: { store: postgres }',
);

const storeOf = (values: ReadonlyMap<string, string>) => {
  const all = new Map(values);
  const log: string[] = [];
  const store: SecretStore = {
    read: async (name) => Promise.resolve(all.get(name)),
    save: async (name, value) => {
      log.push(name);
      all.set(name, value);
      return Promise.resolve();
    },
    names: async () => Promise.resolve([...all.keys()]),
  };
  return { store, all, log };
};
const everything = new Map(ownSecrets(settings).map((one) => [one.name, 'old']));
const more = new Map([...everything, ['netbird-service-token', 'nbp_x'], ['id-issuer', 'https://x']]);

const outcome = async (name: string, values: ReadonlyMap<string, string> = more): Promise<string> =>
  rotatable({ settings, secrets: storeOf(values).store }, name).then(
    () => 'rotated',
    (error: unknown) => `${(error as { code: string }).code}: ${(error as Error).message}`,
  );

describe('a new value', () => {
  test('is given to what can be changed on both sides, and to nothing that seals data', async () => {
    const all = await Promise.all(
      ownSecrets(settings).map(async ({ name }) => [name, (await outcome(name)).split(':')[0]] as const),
    );

    expect(Object.fromEntries(all)).toMatchObject({
      'postgres-superuser-password': 'rotated',
      'postgres-password-pocketid': 'rotated',
      'postgres-password-netbird': 'rotated',
      'postgres-password-immich': 'rotated',
      'pocket-id-encryption-key': 'SECRET_FIXED',
      'pocket-id-static-api-key': 'rotated',
      'netbird-datastore-key': 'SECRET_FIXED',
      'netbird-relay-secret': 'rotated',
      'turn-secret': 'rotated',
    });
  });

  test('is refused for what is the operator’s or was made elsewhere, and for a name nobody knows', async () => {
    expect(await outcome('cloudflare-token')).toBe(
      'SECRET_FIXED: cloudflare-token cannot be rotated: it is yours',
    );
    expect(await outcome('netbird-service-token')).toContain('SECRET_FIXED');
    expect(await outcome('id-issuer')).toBe('USAGE: there is no secret "id-issuer"');
    expect(await outcome('')).toBe('USAGE: there is no secret ""');
  });

  test('is refused where there is no old one: up makes it', async () => {
    expect(await outcome('turn-secret', new Map())).toBe(
      'SECRET_UNREADABLE: there is no turn-secret yet that could be replaced',
    );
  });

  test.each([
    ['before', 1, []],
    ['before', 2, ['id-proof']],
    ['after', 2, ['id-proof', 'turn-secret']],
  ] as const)('is never half there: killed %s effect %i', async (when, at, saved) => {
    const { store, all, log } = storeOf(more);
    const effects = effectsFor({ when, at });
    const secret = await rotatable({ settings, secrets: store }, 'turn-secret');
    const proofIsDue = async () =>
      effects.perform('file', 'save id-proof', async () => store.save('id-proof', 'begun'));

    await expect(writeNewValue({ settings, secrets: store, effects }, secret, proofIsDue)).rejects.toThrow(
      Killed,
    );
    expect(log).toEqual(saved);
    expect(all.get('turn-secret')).toMatch(at === 2 && when === 'after' ? /^[A-Za-z0-9]{40}$/ : /^old$/);
  });
});
