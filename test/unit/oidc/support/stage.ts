import { createEffects, type Effects } from '../../../../src/orchestrator/effects.ts';
import { createOidcArea } from '../../../../src/oidc/area.ts';
import { createPocketId, type PocketId } from '../../../../src/oidc/pocket-id.ts';
import { createSessions, type Sessions } from '../../../../src/oidc/session.ts';
import { hostSettings, type HostSettings } from '../../../../src/settings/schema.ts';
import type { SecretStore } from '../../../../src/settings/secret-store.ts';
import { addressesOf, pathsOf, type Settings } from '../../../../src/settings/settings.ts';
import { createRedactor, type Redactor } from '../../../../src/shared/redact.ts';
import { httpTo, type Fetch } from './http.ts';
import { apiKey, startPocketId, type TestPocketId } from './pocket-id.ts';

export const never = new AbortController().signal;

type Identity = Partial<HostSettings['identity']>;

const alice = { username: 'alice', email: 'alice@lab.test', first_name: 'Alice', last_name: 'Lab' };

/** Settings of a host `test` with this identity; the administrator is alice unless given. */
export const settingsWith = (identity: Identity = {}, port = 18443): Settings => {
  const host = hostSettings.parse({
    domain: 'lab.test',
    reachability: { mode: 'lan', port },
    certificates: {},
    cloudflare: { token: { env: 'TOKEN' } },
    identity: { admin: alice, ...identity },
  });
  return {
    ...host,
    host: 'test',
    project: 'skylab-test',
    folder: '/nowhere',
    installation: '/nowhere',
    addresses: addressesOf(host),
    paths: pathsOf('/nowhere', 'test'),
  };
};

/** A secret store that keeps nothing on disk. */
export const memorySecrets = (): SecretStore & { readonly kept: ReadonlyMap<string, string> } => {
  const kept = new Map([['pocket-id-static-api-key', apiKey]]);
  return {
    kept,
    read: async (name) => kept.get(name),
    save: async (name, value) => void kept.set(name, value),
    names: async () => [...kept.keys()].toSorted(),
  };
};

export const adapterTo = (server: Fetch, secrets: SecretStore, patienceMs = 0): PocketId =>
  createPocketId({
    http: httpTo(server),
    baseUrl: 'http://127.0.0.1:1411',
    apiKey: async () => secrets.read('pocket-id-static-api-key'),
    patienceMs,
  });

/** A Pocket ID with all that works on it, in this process. */
export interface Stage {
  readonly settings: Settings;
  readonly server: TestPocketId;
  readonly secrets: ReturnType<typeof memorySecrets>;
  readonly pocketId: PocketId;
  readonly effects: Effects;
  /** What went through the effects, in words. */
  readonly writes: readonly string[];
  readonly redactor: Redactor;
  readonly sessions: Sessions;
  readonly area: ReturnType<typeof createOidcArea>;
}

interface Options {
  readonly identity?: Identity;
  readonly adopt?: boolean;
  readonly rateLimiting?: boolean;
}

export const setStage = async ({
  identity,
  adopt = false,
  rateLimiting = false,
}: Options = {}): Promise<Stage> => {
  const settings = settingsWith(identity);
  const server = await startPocketId(settings.addresses.issuer, rateLimiting);
  const secrets = memorySecrets();
  const pocketId = adapterTo(server.fetch, secrets);
  const redactor = createRedactor();
  const writes: string[] = [];
  const effects = createEffects({ redactor, onEffect: (_kind, what) => void writes.push(what) });
  const sessions = createSessions({ pocketId, secrets, redactor, issuer: settings.addresses.issuer });
  const area = createOidcArea({ pocketId, secrets, adopt });
  return { settings, server, secrets, pocketId, effects, writes, redactor, sessions, area };
};

type Looked = Pick<Stage, 'area' | 'settings'>;

/** One look: the facts, and the plan. */
export const lookOnce = async ({ area, settings }: Looked) => {
  const desired = area.desired(settings);
  const world = await area.observe(desired, never);
  return { facts: area.facts(desired, world), steps: area.plan(desired, world) };
};

/** As the loop has it: a step that succeeded twice and is planned again has not converged. */
const mostRuns = 2;

/** Looks, plans and applies in the order of the plan until nothing is left; returns the ids of the steps that ran. */
export const settle = async (stage: Looked & Pick<Stage, 'effects'>): Promise<readonly string[]> => {
  const ran: string[] = [];
  for (;;) {
    const { facts, steps } = await lookOnce(stage);
    const step = steps.find((one) =>
      one.needs.every((fact) => fact.startsWith('healthy:') || facts[fact] === true),
    );
    if (step === undefined) return ran;
    if (ran.filter((id) => id === step.id).length >= mostRuns)
      throw new Error(`not converged: "${step.id}" succeeded twice, and still: ${step.why}`);
    await stage.area.apply[step.kind](step as never, stage.effects, never);
    ran.push(step.id);
  }
};
