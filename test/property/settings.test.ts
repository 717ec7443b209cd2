import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { desired as desiredCertificate, judge, plan as planCertificate } from '../../src/acme/policy.ts';
import { files as certificateFiles } from '../../src/acme/render.ts';
import { composeVariables, desiredContainers, renderEnv } from '../../src/containers/desired.ts';
import { planContainers } from '../../src/containers/plan.ts';
import { desiredDns } from '../../src/dns/desired.ts';
import { planDns } from '../../src/dns/plan.ts';
import { desiredIngress } from '../../src/ingress/desired.ts';
import { planIngress } from '../../src/ingress/plan.ts';
import { renderIngress } from '../../src/ingress/render.ts';
import { desiredMesh } from '../../src/netbird/desired.ts';
import { planMesh } from '../../src/netbird/plan.ts';
import { meshFiles } from '../../src/netbird/render.ts';
import { desiredIdentity } from '../../src/oidc/desired.ts';
import { planIdentity } from '../../src/oidc/plan.ts';
import { identityFiles } from '../../src/oidc/render.ts';
import { absent } from '../../src/orchestrator/facts.ts';
import type { ServiceFile, Step } from '../../src/orchestrator/area.ts';
import { desiredDatabases, postgresFiles } from '../../src/postgres/desired.ts';
import { planDatabases } from '../../src/postgres/plan.ts';
import { changeSql } from '../../src/postgres/sql.ts';
import { parseSettings } from '../../src/settings/load.ts';
import { addressesOf, pathsOf, type Settings } from '../../src/settings/settings.ts';
import { digestOf } from '../../src/shared/files.ts';
import { isStackError, StackError } from '../../src/shared/errors.ts';
import { nasty, secret, tree } from './settings-tree.ts';
import { bareWorld } from '../unit/containers/worlds.ts';
import { parseConf } from '../unit/ingress/conf-syntax.ts';

/*
 * Any settings file gives either settings from which everything can be computed, or an error of ours.
 */

const runs = { numRuns: 1000 } as const;
const settingsOf = (text: string): Settings => {
  const parsed = parseSettings(text, 'settings.yaml');
  const root = parsed.storage.root === 'user' ? '/root' : parsed.storage.root;
  return {
    ...parsed,
    host: 'lab',
    project: 'skylab-lab',
    folder: '/hosts/lab',
    installation: '/opt/skylab',
    addresses: addressesOf(parsed),
    paths: pathsOf(root, 'lab'),
  };
};

/** What is computed from settings before anything is looked at. */
interface Computed {
  readonly settings: Settings;
  readonly files: readonly ServiceFile[];
  readonly steps: readonly Step[];
  readonly env: string;
  readonly sql: string;
}

const unseen = new StackError('DNS_API_UNREACHABLE', 'not there', { hint: 'wait' });

const compute = (text: string): Computed => {
  const settings = settingsOf(text);
  const databases = desiredDatabases(settings);
  const dns = desiredDns(settings, false);
  const certificate = desiredCertificate(settings);
  const ingress = desiredIngress(settings);
  const rendered = renderIngress(ingress, digestOf);
  const identity = desiredIdentity(settings);
  const mesh = desiredMesh(settings);
  const files = [
    ...postgresFiles(),
    ...certificateFiles(certificate),
    ...rendered.files,
    ...identityFiles(),
    ...meshFiles(settings),
  ];
  const containers = desiredContainers(settings, {
    files: () => files,
    user: { uid: 0, gid: 0 },
    down: false,
  });
  const databaseSteps = planDatabases(databases, { seen: 'absent', text: 'not there', hint: '' });
  const changes = databaseSteps.flatMap((step) => (step.kind === 'prepare' ? step.changes : []));
  const steps: readonly Step[] = [
    ...databaseSteps,
    ...planDns(dns, { seen: 'unreachable', error: unseen, notStarted: true }),
    ...planCertificate(certificate, {
      certificate: judge(undefined, certificate, 0),
      authority: { text: 'not there', hint: '' },
      rootsKnown: false,
      leftovers: 0,
      rootsStale: false,
      waited: false,
      told: [],
    }),
    ...planIngress(ingress, { served: [] }, rendered.version),
    ...planIdentity(identity, { answers: false, why: absent('not there') }, false),
    ...planMesh(mesh, { seen: 'no-token', text: 'not there' }),
    ...planContainers(containers, bareWorld(containers)),
  ];
  const variables = Object.fromEntries(
    ['postgres', 'nginx', 'coturn'].map((service) => [
      service,
      {
        image: settings.images.overrides[service] ?? settings.postgres.image,
        kind: 'upstream',
        files: 'none',
      },
    ]),
  );
  return {
    settings,
    files,
    steps,
    env: renderEnv(composeVariables(containers, variables)),
    sql: changes.map((one) => changeSql(one, 'verifier')).join(''),
  };
};

/** What was computed, or the code of our error; any other exception is thrown. */
const attempt = (text: string): Computed | string => {
  try {
    return compute(text);
  } catch (error) {
    if (!isStackError(error)) throw error;
    expect(error.message).not.toContain(secret);
    expect(error.hint).not.toBe('');
    return error.code;
  }
};

const textOf = (file: ServiceFile | undefined): string =>
  (file?.content ?? [])
    .map((part) => (typeof part === 'string' ? part : 'secret' in part ? 'SECRET' : part.real))
    .join('');

const refusals = ['SETTINGS_INVALID', 'SETTINGS_PLACEHOLDER'];

test('settings give a whole plan and whole files, or one error of ours, whatever stands in them', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(tree, (settings) => {
      const made = attempt(stringify(settings));
      const kind = typeof made === 'string' ? made : 'computed';
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      if (typeof made === 'string') {
        expect(refusals).toContain(made);
        return;
      }
      expect(new Set(made.steps.map((step) => step.id)).size).toBe(made.steps.length);
      for (const step of made.steps) {
        expect(step.why).not.toBe('');
        expect(step.deadlineMs).toBeGreaterThan(0);
      }
    }),
    runs,
  );
  // Both ways are walked often, or the test looks at one of them only.
  expect(seen.get('computed')).toBeGreaterThan(100);
  expect(seen.get('SETTINGS_INVALID')).toBeGreaterThan(100);
});

test('no value breaks out of its place in a file, and no secret is rendered into one', () => {
  let looked = 0;
  fc.assert(
    fc.property(tree, (settings) => {
      const made = attempt(stringify(settings));
      if (typeof made === 'string') return;
      looked += 1;
      const file = (service: string, name: string) =>
        textOf(made.files.find((one) => one.service === service && one.path === name));

      for (const line of made.env.trimEnd().split('\n').slice(1)) expect(line).toMatch(/^[A-Z_]+='[^'\\]*'$/);
      expect(made.env).not.toContain(secret);
      expect(made.files.map(textOf).join('')).not.toContain(secret);
      expect(JSON.stringify(made.steps.map(({ id, why }) => [id, why]))).not.toContain(secret);

      const { domain: zone, addresses } = made.settings;
      expect(JSON.parse(file('netbird-management', 'management.json'))).toMatchObject({
        HttpConfig: { AuthIssuer: addresses.issuer },
      });
      expect(JSON.parse(file('certs', 'settings.json'))).toMatchObject({ domain: zone });
      expect(parseConf(file('nginx', 'mesh.conf')).map((one) => one.words)).toEqual([['server']]);
      expect(parseConf(file('nginx', 'identity.conf')).map((one) => one.words)).toEqual([['server']]);
      const turn = file('coturn', 'turnserver.conf').trimEnd().split('\n');
      for (const line of turn) expect(line).toMatch(/^[a-z-]+(=[\w.:/-]+)?$/);
      expect(turn.filter((line) => line === 'static-auth-secret=SECRET')).toHaveLength(1);
    }),
    runs,
  );
  expect(looked).toBeGreaterThan(100);
});

test('any text at all is settings, or one error of ours', () => {
  fc.assert(
    fc.property(
      fc.oneof(nasty, fc.constantFrom('*a', 'a: *b', '&a [*a]', '- -', 'a: !!binary x', '%')),
      (text) => {
        expect(refusals).toContain(attempt(text));
        expect(refusals).toContain(attempt(`domain: ${text}`));
      },
    ),
    runs,
  );
});
