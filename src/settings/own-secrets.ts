import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Settings } from './settings.ts';

/** What happens once a secret has a new value, or why it can have none. */
export type Rotation = { readonly after: string } | { readonly never: string };

/** A secret that this program makes once, and rewrites only when somebody says so. */
export interface OwnSecret {
  readonly name: string;
  readonly generate: () => string;
  /** What it is for, for `secrets list`. */
  readonly purpose: string;
  readonly rotation: Rotation;
}

const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';

/** 40 letters and digits (about 230 bits) that need no quoting anywhere: in SQL, URLs, shells, YAML. */
const plainText = (): string => {
  const limit = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < 40) {
    for (const byte of randomBytes(64)) {
      if (byte < limit && text.length < 40) text += alphabet[byte % alphabet.length] ?? '';
    }
  }
  return text;
};

/** Standard base64 of 32 random bytes, the form NetBird's management wants for its store key. */
const base64Key = (): string => randomBytes(32).toString('base64');

/** An ECDSA key on P-256: PEM, PKCS #8. */
const signingKey = (): string =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey;

/** The name of the key of the CA that signs for private names. */
export const localCaKey = 'local-ca-key';

/** Role and database of a service in PostgreSQL: the name of its password. */
export const databasePassword = (role: string): string => `postgres-password-${role}`;

const ofRole = (role: string, after: string): OwnSecret => ({
  name: databasePassword(role),
  generate: plainText,
  purpose: `PostgreSQL: role ${role}`,
  rotation: { after },
});

/** Every secret of our own for this host, in a fixed order. */
export const ownSecrets = (settings: Settings): readonly OwnSecret[] => [
  {
    name: 'postgres-superuser-password',
    generate: plainText,
    purpose: 'PostgreSQL: user postgres',
    rotation: { after: 'nothing restarts' },
  },
  ofRole('pocketid', 'Pocket ID restarts; who is signed in stays so'),
  ...(settings.mesh.store === 'postgres'
    ? [ofRole('netbird', "NetBird's management restarts; connections between devices stay")]
    : []),
  ...settings.postgres.databases.map((one) =>
    ofRole(one.name, `what uses the database ${one.name} is shut out until it is given the new one, too`),
  ),
  {
    name: 'pocket-id-encryption-key',
    generate: plainText,
    purpose: 'Pocket ID: seals its signing key in the database',
    rotation: {
      never: "Pocket ID's signing key is sealed with it, and nobody could sign in with another one",
    },
  },
  {
    name: 'pocket-id-static-api-key',
    generate: plainText,
    purpose: 'Pocket ID: the key this program uses',
    rotation: { after: 'Pocket ID restarts; who is signed in stays so' },
  },
  {
    name: 'netbird-datastore-key',
    generate: base64Key,
    purpose: 'NetBird: seals names and addresses in its store',
    rotation: { never: 'names and addresses in the store of NetBird are sealed with it' },
  },
  {
    name: 'netbird-relay-secret',
    generate: plainText,
    purpose: 'NetBird: relay and management share it',
    rotation: { after: 'relay and management restart; relayed devices connect again by themselves' },
  },
  {
    name: 'turn-secret',
    generate: plainText,
    purpose: 'coturn and NetBird: time-limited credentials',
    rotation: { after: 'coturn and management restart; relayed devices connect again by themselves' },
  },
  ...(Object.keys(settings.private_names).length > 0
    ? [
        {
          name: localCaKey,
          generate: signingKey,
          purpose: 'local CA: signs for private names',
          rotation: { never: 'every device that trusts this CA would have to trust another one' },
        },
      ]
    : []),
];
