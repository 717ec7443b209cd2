import type { JSONWebKeySet } from 'jose';
import type { Report } from '../../../../src/orchestrator/report/check.ts';
import type { Patience } from '../../../../src/oidc/proof/metadata.ts';
import type { ProofPorts } from '../../../../src/oidc/proof/ports.ts';
import { verifyOidc } from '../../../../src/oidc/proof/verify.ts';
import { httpTo, type Fetch } from './http.ts';
import { settled } from './household.ts';
import { lying, type Lie } from './liar.ts';
import { createTestMesh, type TestMesh } from './mesh.ts';
import { never, type Stage } from './stage.ts';

/** A finished stack, as the proof finds it. */
export interface ProofStage extends Stage {
  readonly ports: ProofPorts;
  readonly mesh: TestMesh;
  readonly prove: (signal?: AbortSignal) => Promise<Report>;
}

interface Options {
  /** How Pocket ID misbehaves at its public name. */
  readonly lies?: readonly Lie[];
  readonly change?: (ports: ProofPorts) => ProofPorts;
  readonly hasOwner?: boolean;
  readonly rateLimiting?: boolean;
  /** How long the public name is asked again where it answers as one whose server moves. Default: not at all. */
  readonly patience?: Patience;
}

export const setProofStage = async ({
  lies = [],
  change = (ports) => ports,
  hasOwner = true,
  rateLimiting = false,
  patience = { totalMs: 0, pauseMs: 1 },
}: Options = {}): Promise<ProofStage> => {
  const stage = await settled({ rateLimiting });
  const { issuer } = stage.settings.addresses;
  // As nginx does: the key never comes in from outside.
  const outside: Fetch = lying(
    async (request) => {
      request.headers.delete('x-api-key');
      return stage.server.fetch(request);
    },
    ...lies,
  );
  const http = httpTo(outside);
  const keys = async () =>
    (await http.call('GET', `${issuer}/.well-known/jwks.json`)).json() as JSONWebKeySet;
  const owner = hasOwner ? stage.secrets.kept.get('id-pocket-id-user-alice') : undefined;
  const mesh = createTestMesh(keys, owner);
  const { pocketId, sessions, secrets, settings, effects } = stage;
  const ports = change({ http, pocketId, sessions, secrets, mesh: mesh.probe });
  return {
    ...stage,
    ports,
    mesh,
    prove: async (signal = never) => verifyOidc(ports, settings, effects, signal, patience),
  };
};

export const idsWith = (report: Report, status: 'passed' | 'failed' | 'skipped'): readonly string[] =>
  report.checks.filter((check) => check.status === status).map((check) => check.id);

/** Usernames in Pocket ID. */
export const usernamesOf = (stage: Stage): readonly string[] =>
  [...(stage.server.contents().get('user')?.values() ?? [])].map(
    (user) => (user as { readonly username: string }).username,
  );
