import { refusal } from './answers.ts';
import type { VerifyIdToken } from './id-token.ts';
import type { UserRecord } from './model.ts';
import { hashOf, isPersonalAccessToken } from './personal-access-token.ts';
import { signIn } from './sign-in.ts';
import { timestamp, type World } from './world.ts';

/**
 * The caller named by an `Authorization` header: `Bearer <JWT>`, `Token nbp_…` or `Bearer nbp_…` (the scheme in any
 * case). A JWT signs in, which may make the account and the user.
 * @throws {ApiError} 401; 404 for a well-formed personal access token that this server does not know.
 */
export async function authenticate(
  header: string | undefined,
  world: World,
  verify: VerifyIdToken,
): Promise<UserRecord> {
  const [scheme = '', ...rest] = (header ?? '').split(' ');
  const credential = rest.join(' ').trim();
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return credential.startsWith('nbp_')
        ? byPersonalAccessToken(credential, world)
        : byIdToken(credential, world, verify);
    case 'token':
      return byPersonalAccessToken(credential, world);
    default:
      throw refusal(401, 'no valid authentication provided');
  }
}

async function byIdToken(token: string, world: World, verify: VerifyIdToken): Promise<UserRecord> {
  const verified = await verify(token).catch(() => {
    throw tokenInvalid();
  });
  return signIn(world, verified);
}

function byPersonalAccessToken(token: string, world: World): UserRecord {
  if (!isPersonalAccessToken(token)) throw tokenInvalid();
  const hash = hashOf(token);
  const record = world.store.document.tokens.find((one) => one.hash === hash);
  if (record === undefined) throw refusal(404, `invalid token: pat: ${hash} not found`);
  if (world.now() >= new Date(record.expiresAt)) throw tokenInvalid();
  const user = world.store.document.users.find(({ id }) => id === record.userId);
  if (user === undefined) throw tokenInvalid();
  // Not worth a write of its own: it reaches the disk with the next change.
  record.lastUsedAt = timestamp(world.now());
  return user;
}

const tokenInvalid = () => refusal(401, 'token invalid');
