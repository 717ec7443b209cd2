import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNetBirdArea } from '../../../../src/netbird/apply.ts';
import { createNetBird } from '../../../../src/netbird/netbird.ts';
import { createMeshProbe } from '../../../../src/netbird/probe.ts';
import { createOidcArea } from '../../../../src/oidc/area.ts';
import { createPocketId } from '../../../../src/oidc/pocket-id.ts';
import type { ProofPorts } from '../../../../src/oidc/proof/ports.ts';
import { createSessions } from '../../../../src/oidc/session.ts';
import { bind, type BoundArea } from '../../../../src/orchestrator/area.ts';
import { converge, type Outcome } from '../../../../src/orchestrator/converge.ts';
import { createEffects, type Effects } from '../../../../src/orchestrator/effects.ts';
import { createSecretStore, type SecretStore } from '../../../../src/settings/secret-store.ts';
import type { Settings } from '../../../../src/settings/settings.ts';
import { createHttp } from '../../../../src/shared/http.ts';
import { createRedactor } from '../../../../src/shared/redact.ts';
import { standInKey, startStandIn } from '../../../contract/support/pocket-id-stand-in.ts';
import { openWorkplace, startManagement } from '../../../contract/netbird/stand-in.ts';
import { startPostgres, type TestPostgres } from '../../../support/postgres.ts';
import { never, settingsWith } from '../../../unit/oidc/support/stage.ts';
import { openFront } from './front.ts';

type Identity = Parameters<typeof settingsWith>[0];

/** The stand-ins of Pocket ID (on PostgreSQL) and NetBird behind HTTPS, and the two areas that set them up. */
export interface TestStack {
  readonly postgres: TestPostgres;
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly effects: Effects;
  /** New for each call, as for a new run of the program. */
  readonly ports: (options?: { readonly trusted?: boolean }) => ProofPorts;
  readonly up: (identity?: Identity) => Promise<Outcome>;
  readonly close: () => Promise<void>;
}

/** What other areas state when they are done. */
const given: BoundArea = {
  name: 'containers',
  look: async () => ({
    facts: {
      'healthy:postgres': true,
      'healthy:pocket-id': true,
      'healthy:netbird-management': true,
      'ingress.ready': true,
      'certificate:lab.test': true,
    },
    steps: [],
  }),
  run: async () => undefined,
};

export const startStack = async (): Promise<TestStack> => {
  const { addresses } = settingsWith();
  const [front, postgres, folder] = await Promise.all([
    openFront([addresses.identity, addresses.mesh]),
    startPostgres(),
    mkdtemp(join(tmpdir(), 'skylab-oidc-')),
  ]);
  const settings = settingsWith({}, front.port);
  const { issuer, identity, mesh, meshUrl } = settings.addresses;
  const standIn = await startStandIn(postgres.url, { APP_URL: issuer });
  const workplace = openWorkplace({ issuer, keysLocation: `${standIn.base}/.well-known/jwks.json` });
  workplace.configure({ DisableDefaultPolicy: true });
  const management = await startManagement(workplace);
  front.route(identity, standIn.base);
  front.route(mesh, management.url);

  const redactor = createRedactor();
  const secrets = createSecretStore(join(folder, 'secrets'), redactor);
  await secrets.save('pocket-id-static-api-key', standInKey);
  const effects = createEffects({ redactor });
  const addressOf = () => '127.0.0.1';
  const trusting = createHttp({ addressOf, ca: async () => [front.ca] });
  const doubting = createHttp({ addressOf });
  const ports = ({ trusted = true } = {}): ProofPorts => {
    const pocketId = createPocketId({
      http: trusting,
      baseUrl: standIn.base,
      apiKey: async () => secrets.read('pocket-id-static-api-key'),
    });
    return {
      http: trusted ? trusting : doubting,
      pocketId,
      sessions: createSessions({ pocketId, secrets, redactor, issuer }),
      secrets,
      mesh: createMeshProbe(createNetBird(trusting, meshUrl), secrets),
    };
  };

  return {
    postgres,
    settings,
    secrets,
    effects,
    ports,
    async up(wanted = {}) {
      const { pocketId, sessions } = ports();
      const whole = settingsWith(wanted, front.port);
      const areas = [
        given,
        bind(createOidcArea({ pocketId, secrets, adopt: false }), whole),
        bind(
          createNetBirdArea({
            netbird: createNetBird(trusting, meshUrl),
            secrets,
            settings: whole,
            idTokenOf: sessions.idTokenOf,
            now: () => new Date(),
          }),
          whole,
        ),
      ];
      return converge({ areas, effects, emit: () => undefined, signal: never });
    },
    async close() {
      trusting.close();
      doubting.close();
      await management.close();
      workplace.remove();
      await standIn.pocketId.close();
      await Promise.all([front.close(), postgres.stop(), rm(folder, { recursive: true, force: true })]);
    },
  };
};
