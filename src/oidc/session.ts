import type { Effects } from '../orchestrator/effects.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import { sleep } from '../shared/clock.ts';
import { StackError } from '../shared/errors.ts';
import type { Redactor } from '../shared/redact.ts';
import { idEntry, meshClientId } from './desired.ts';
import type { PocketId } from './pocket-id.ts';

/** The scopes that NetBird's own programs ask for. */
export const meshScope = 'openid profile email groups';

interface Ports {
  readonly pocketId: PocketId;
  readonly secrets: SecretStore;
  readonly redactor: Redactor;
  /** The issuer, for links that people open. */
  readonly issuer: string;
}

const tokenTtlSeconds = 300;
/** The server allows five exchanges at once and then one in ten seconds; people need some of them too. */
const mostExchanges = 2;
const approvalPollMs = 500;
const approvalTries = 10;

/**
 * Signing in without a browser, for this program. A session is kept for the whole run, so that a second call for the same
 * user makes no second exchange. Sessions and tokens are known to the redactor; links for people are not.
 */
export const createSessions = ({ pocketId, secrets, redactor, issuer }: Ports) => {
  const sessions = new Map<string, string>();

  const open = async (userId: string, effects: Effects, signal: AbortSignal): Promise<string> => {
    const kept = sessions.get(userId);
    if (kept !== undefined) return kept;
    if (sessions.size >= mostExchanges) {
      throw new StackError('INTERNAL', `a run makes at most ${mostExchanges} one-time sign-ins`, {
        hint: 'run again with --verbose and report what it prints',
      });
    }
    const token = await effects.perform('http', `POST /api/users/${userId}/one-time-access-token`, async () =>
      pocketId.oneTimeToken(userId, tokenTtlSeconds, signal),
    );
    redactor.add(token);
    const session = await effects.perform('http', 'POST /api/one-time-access-token/{token}', async () =>
      pocketId.exchange(token, signal),
    );
    redactor.add(session);
    sessions.set(userId, session);
    return session;
  };

  const userIdOf = async (username: string): Promise<string> => {
    const id = await secrets.read(idEntry('user', username));
    if (id !== undefined) return id;
    throw new StackError('IDENTITY_REFUSED', `no user "${username}" has been made in Pocket ID yet`, {
      hint: 'npm run up makes it',
    });
  };

  return {
    /** A session of this user: a JWT that is sent as Bearer. @throws {StackError} IDENTITY_*; INTERNAL for a third user */
    open,

    /**
     * An ID token of a person of the settings for the client `netbird`, by the device flow (RFC 8628).
     * @throws {StackError} IDENTITY_*
     */
    idTokenOf: async (username: string, effects: Effects, signal: AbortSignal): Promise<string> => {
      const session = await open(await userIdOf(username), effects, signal);
      const { deviceCode, userCode } = await effects.perform(
        'http',
        'POST /api/oidc/device/authorize',
        async () => pocketId.startDevice(meshClientId, meshScope, signal),
      );
      redactor.add(deviceCode);
      await effects.perform('http', 'POST /api/oidc/device/verify', async () =>
        pocketId.approveDevice(userCode, session, signal),
      );
      for (let tries = 0; tries < approvalTries; tries += 1) {
        const idToken = await effects.perform('http', 'POST /api/oidc/token', async () =>
          pocketId.deviceToken(meshClientId, deviceCode, signal),
        );
        if (idToken !== undefined) {
          redactor.add(idToken);
          return idToken;
        }
        await sleep(approvalPollMs, signal);
      }
      throw new StackError('IDENTITY_REFUSED', 'Pocket ID approved a device and gives it no token', {
        hint: 'look at what it logged: npm run -s logs -- --service pocket-id',
      });
    },

    /** A link that signs this person in once. It is a secret until it is used, and is made to be shown. */
    signInLink: async (
      username: string,
      ttlSeconds: number,
      effects: Effects,
      signal: AbortSignal,
    ): Promise<string> => {
      const userId = await userIdOf(username);
      const what = `POST /api/users/${userId}/one-time-access-token`;
      const token = await effects.perform('http', what, async () =>
        pocketId.oneTimeToken(userId, ttlSeconds, signal),
      );
      return `${issuer}/lc/${token}`;
    },

    /** True when this person has a passkey, so no longer needs a link. */
    hasPasskey: async (username: string, signal: AbortSignal): Promise<boolean> =>
      pocketId.hasPasskey(await userIdOf(username), signal),
  };
};

export type Sessions = ReturnType<typeof createSessions>;
