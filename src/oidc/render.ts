import type { Keep, ServiceFile } from '../orchestrator/area.ts';
import { databasePassword } from '../settings/own-secrets.ts';
import { clientSecretEntry, type Desired } from './desired.ts';

const service = 'pocket-id';
/** The user of the container, as compose.yaml sets it. */
const reader = { uid: 1000, gid: 1000 };
const role = 'pocketid';

const secretFile = (path: string, content: ServiceFile['content']): ServiceFile => ({
  service,
  path,
  content,
  reader,
  reloads: false,
});

/** What Pocket ID reads at its start. No newlines: it would take one at the end as part of the encryption key. */
export const identityFiles = (): readonly ServiceFile[] => [
  secretFile('encryption-key', [{ secret: 'pocket-id-encryption-key' }]),
  secretFile('static-api-key', [{ secret: 'pocket-id-static-api-key' }]),
  secretFile('database-url', [
    `postgres://${role}:`,
    { secret: databasePassword(role), as: 'url' },
    '@postgres:5432/',
    { real: role, standIn: `${role}_standin` },
    '?sslmode=disable',
  ]),
];

/** Its data is in PostgreSQL; without the encryption key that data cannot be read. */
export const identityKeeps = (desired: Desired): readonly Keep[] => [
  {
    what: 'secret',
    name: 'pocket-id-encryption-key',
    why: "opens Pocket ID's signing key; without it nobody can sign in",
  },
  ...desired.clients
    .filter((client) => !client.public)
    .map((client) => ({
      what: 'secret' as const,
      name: clientSecretEntry(client.id),
      why: `client secret of ${client.name}; Pocket ID never shows it again`,
    })),
];
