import type { Effects } from '../orchestrator/effects.ts';
import { ownSecrets, type OwnSecret } from '../settings/own-secrets.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import type { Settings } from '../settings/settings.ts';
import { StackError } from '../shared/errors.ts';

interface Given {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly effects: Effects;
}

/** A secret of ours that can have a new value. */
export type Rotated = OwnSecret & { readonly rotation: { readonly after: string } };

const fixed = (name: string, why: string, hint: string): StackError =>
  new StackError('SECRET_FIXED', `${name} cannot be rotated: ${why}`, { hint, data: { name } });

const operatorToken = 'cloudflare-token';

/**
 * The secret of this name, if it can have a new value.
 * @throws {StackError} USAGE for a name that is not known, SECRET_FIXED with the reason, SECRET_UNREADABLE where there is
 * none yet
 */
export const rotatable = async (
  { settings, secrets }: Omit<Given, 'effects'>,
  name: string,
): Promise<Rotated> => {
  const own = ownSecrets(settings);
  const found = own.find((one) => one.name === name);
  const names = own.flatMap((one) => ('after' in one.rotation ? [one.name] : []));
  if (found === undefined) {
    if (name === operatorToken)
      throw fixed(
        name,
        'it is yours',
        'make a new token at Cloudflare and put it where cloudflare.token says; then npm run up',
      );
    if ((await secrets.names()).includes(name) && !name.startsWith('id-'))
      throw fixed(name, 'this stack did not make it', 'npm run -s secrets -- list says where it comes from');
    throw new StackError('USAGE', `there is no secret "${name}"`, {
      hint: `one of: ${names.join(', ')}`,
      data: { name, names },
    });
  }
  const { rotation } = found;
  if ('never' in rotation)
    throw fixed(
      name,
      rotation.never,
      'keep it, and a backup of it; these can be rotated: npm run -s secrets -- list',
    );
  if ((await secrets.read(name)) === undefined)
    throw new StackError('SECRET_UNREADABLE', `there is no ${name} yet that could be replaced`, {
      hint: 'npm run up makes it',
    });
  return { ...found, rotation };
};

/**
 * Writes a new value, in one step: what runs goes on with the old one until `up` brings the new one into effect, and an
 * `up` that is killed is finished by the next one. The login is to be proven again after it.
 */
export const writeNewValue = async (
  { secrets, effects }: Given,
  { name, generate }: Rotated,
  proofIsDue: () => Promise<void>,
): Promise<void> => {
  await proofIsDue();
  await effects.perform('file', `save a new ${name}`, async () => secrets.save(name, generate()));
};
