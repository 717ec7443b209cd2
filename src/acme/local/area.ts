import type { Area, ServiceFile, Step } from '../../orchestrator/area.ts';
import { absent, conflict } from '../../orchestrator/facts.ts';
import { localCaKey } from '../../settings/own-secrets.ts';
import { certificateOwner } from '../policy.ts';
import { desiredLocal, localFolder, type LocalDesired } from './desired.ts';
import {
  lookAtLocal,
  makeLocalCa,
  renewPrivate,
  unfitError,
  type LocalPorts,
  type LocalWorld,
} from './issue.ts';
import { localFiles } from './renewer.ts';

interface Wanting<K extends string> extends Step {
  readonly kind: K;
  readonly desired: LocalDesired;
}
interface Obstacle extends Step {
  readonly kind: 'local-obstacle';
  readonly unfit: Exclude<LocalWorld['authority'], string>;
}
export type LocalStep = Wanting<'make-local-ca'> | Wanting<'issue-private'> | Obstacle;

const common = {
  needs: ['folders.ready', 'secrets.ready'],
  uses: ['certificates'],
  deadlineMs: 30_000,
} as const;

const planLocal = (desired: LocalDesired, { authority, certificate }: LocalWorld): readonly LocalStep[] => {
  if (desired.names.length === 0) return [];
  if (typeof authority === 'object') {
    const id = 'settle the local CA';
    return [
      { ...common, kind: 'local-obstacle', id, why: authority.unfit, impact: 'none', unfit: authority },
    ];
  }
  const isAbsent = authority === 'absent';
  return [
    ...(isAbsent
      ? [
          {
            ...common,
            kind: 'make-local-ca',
            id: 'make the local CA',
            why: `there is none yet for ${desired.domains.join(', ')}`,
            impact: 'none',
            desired,
          } as const,
        ]
      : []),
    ...(certificate.due || isAbsent
      ? [
          {
            ...common,
            kind: 'issue-private',
            id: `issue certificate for ${desired.names.join(', ')}`,
            why: certificate.due ? certificate.why : 'the CA that signed it is gone',
            needs: [...common.needs, 'certificate:local-ca'],
            impact: 'reload',
            desired,
          } as const,
        ]
      : []),
  ];
};

/** Private names: a CA of this stack's own that can sign for their domains and nothing else, and their certificate. */
export const createLocalArea = (ports: LocalPorts): Area<LocalDesired, LocalWorld, LocalStep> => ({
  name: 'private',
  desired: desiredLocal,
  observe: async (desired) => lookAtLocal(desired, ports),
  facts({ names }, { authority, certificate }) {
    if (names.length === 0) return {};
    const missing = `no valid certificate for ${names.join(', ')}: ${certificate.why}`;
    const isStuck = typeof authority === 'object';
    return {
      'certificate:local-ca': authority === 'absent' ? absent('there is no local CA yet') : true,
      [`certificate:${localFolder}`]:
        certificate.valid || (isStuck ? conflict(authority.unfit, authority.hint) : absent(missing)),
    };
  },
  plan: planLocal,
  apply: {
    'make-local-ca': async ({ desired }, effects, signal) => makeLocalCa(desired, ports, effects, signal),
    async 'issue-private'({ desired }, effects, signal) {
      await renewPrivate(desired, ports, effects, signal);
    },
    'local-obstacle': async ({ unfit }) => Promise.reject(unfitError(unfit)),
  },
  files: (desired): readonly ServiceFile[] =>
    desired.names.length === 0
      ? []
      : localFiles(desired, localCaKey).map((file) => ({ ...file, reader: certificateOwner })),
  // The store belongs to acme, the key to the secrets.
  keeps: () => [],
});
