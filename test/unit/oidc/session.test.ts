import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { settled } from './support/household.ts';
import { never, setStage } from './support/stage.ts';

describe('signing in without a browser', () => {
  test('gives an ID token of the administrator for NetBird', async () => {
    const { sessions, secrets, effects, settings } = await settled();

    const claims = decodeJwt(await sessions.idTokenOf('alice', effects, never));

    expect(claims).toMatchObject({
      iss: settings.addresses.issuer,
      aud: ['netbird'],
      sub: secrets.kept.get('id-pocket-id-user-alice'),
      groups: ['netbird-users'],
    });
  });

  test('makes one exchange for a user, however often it is asked', async () => {
    const { sessions, effects, server } = await settled();

    await sessions.idTokenOf('alice', effects, never);
    await sessions.idTokenOf('alice', effects, never);

    const exchanges = server.calls.filter((call) => call.startsWith('POST /api/one-time-access-token/'));
    expect(exchanges.length).toBe(1);
  });

  test('never makes a third exchange in one run', async () => {
    const person = { first_name: 'P', last_name: '', groups: [] };
    const { sessions, secrets, effects } = await settled({
      identity: {
        people: [
          { ...person, username: 'bob', email: 'bob@lab.test' },
          { ...person, username: 'carol', email: 'carol@lab.test' },
        ],
      },
    });
    const idOf = (username: string) => secrets.kept.get(`id-pocket-id-user-${username}`) ?? '';

    await sessions.open(idOf('alice'), effects, never);
    await sessions.open(idOf('bob'), effects, never);

    await expect(sessions.open(idOf('carol'), effects, never)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  test('hands on how long the server wants it to wait', async () => {
    const { sessions, effects, secrets, server } = await settled({ rateLimiting: true });
    for (let calls = 0; calls < 5; calls += 1) {
      await server.fetch(
        new Request('http://pocket-id/api/one-time-access-token/AAAAAA', { method: 'POST' }),
      );
    }

    const opening = sessions.open(secrets.kept.get('id-pocket-id-user-alice') ?? '', effects, never);

    await expect(opening).rejects.toMatchObject({ code: 'IDENTITY_LIMITED', retryAfterMs: 10_000 });
  });

  test('teaches the redactor every token, and says none in an effect', async () => {
    const { sessions, effects, redactor, secrets, writes } = await settled();
    const session = await sessions.open(secrets.kept.get('id-pocket-id-user-alice') ?? '', effects, never);
    const idToken = await sessions.idTokenOf('alice', effects, never);

    expect(redactor.clean(`${session} ${idToken}`)).toBe('[redacted] [redacted]');
    expect(writes.join('\n')).not.toContain(session);
    expect(writes.filter((write) => write.includes('one-time-access-token/'))).toEqual([
      'POST /api/one-time-access-token/{token}',
    ]);
  });

  test('says who has not been made yet', async () => {
    const { sessions, effects } = await setStage();

    await expect(sessions.idTokenOf('alice', effects, never)).rejects.toMatchObject({
      code: 'IDENTITY_REFUSED',
      message: 'no user "alice" has been made in Pocket ID yet',
    });
  });

  test('says that a user outside the group gets no token for NetBird', async () => {
    const bob = { username: 'bob', email: 'bob@lab.test', first_name: 'Bob', last_name: '', groups: [] };
    const { sessions, effects } = await settled({ identity: { people: [bob] } });

    await expect(sessions.idTokenOf('bob', effects, never)).rejects.toMatchObject({
      code: 'IDENTITY_REFUSED',
      data: { status: 403 },
    });
  });
});

describe('the link for a person', () => {
  test('leads to the issuer, signs in once, and may be printed', async () => {
    const { sessions, effects, redactor, pocketId, settings } = await settled();

    const link = await sessions.signInLink('alice', 86_400, effects, never);

    expect(link).toMatch(/^https:\/\/pocketid\.lab\.test:18443\/lc\/[0-9A-Za-z]{12}$/);
    expect(redactor.clean(link)).toBe(link);
    const token = link.slice(`${settings.addresses.issuer}/lc/`.length);
    await expect(pocketId.exchange(token, never)).resolves.toMatch(/^ey/);
    await expect(pocketId.exchange(token, never)).rejects.toMatchObject({ data: { status: 401 } });
  });

  test('is wanted as long as the person has no passkey', async () => {
    const { sessions } = await settled();

    expect(await sessions.hasPasskey('alice', never)).toBe(false);
  });
});
