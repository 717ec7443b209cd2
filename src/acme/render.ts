import type { ServiceFile } from '../orchestrator/area.ts';
import { certificateOwner, type AcmeDesired } from './policy.ts';

/** Copies of roots inside the certificate store: the renewer and other containers see no other file of the host. */
export const rootCopies = {
  trust: 'roots/trust.pem',
  directoryCa: 'roots/directory-ca.pem',
} as const;

/** Where the renewer's container has things. */
export const inContainer = {
  certificates: '/etc/skylab-certificates',
  settings: 'settings.json',
  token: 'cloudflare-token',
} as const;

/** The same wishes as seen from inside the renewer's container. */
export const forRenewer = (wanted: AcmeDesired): AcmeDesired => {
  const copied = (trust: AcmeDesired['trust'], copy: string): AcmeDesired['trust'] =>
    typeof trust === 'object' && 'file' in trust ? { file: `${inContainer.certificates}/${copy}` } : trust;
  return {
    ...wanted,
    certificates: inContainer.certificates,
    trust: copied(wanted.trust, rootCopies.trust),
    directoryCa: copied(wanted.directoryCa, rootCopies.directoryCa),
  };
};

/** What the renewer reads, anew in each of its rounds. */
export const files = (wanted: AcmeDesired): readonly ServiceFile[] => {
  const file = { service: 'certs', reader: certificateOwner, reloads: true } as const;
  return [
    {
      ...file,
      path: inContainer.settings,
      content: [`${JSON.stringify(forRenewer(wanted), null, 2)}\n`],
    },
    { ...file, path: inContainer.token, content: [{ secret: 'cloudflare-token' }] },
  ];
};
