import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { desired as desiredCertificates } from '../../../src/acme/policy.ts';
import { files as certificateFiles } from '../../../src/acme/render.ts';
import { composeVariables, desiredContainers } from '../../../src/containers/desired.ts';
import { desiredIngress } from '../../../src/ingress/desired.ts';
import { renderIngress } from '../../../src/ingress/render.ts';
import { meshFiles } from '../../../src/netbird/render.ts';
import { identityFiles } from '../../../src/oidc/render.ts';
import type { ServiceFile } from '../../../src/orchestrator/area.ts';
import { postgresFiles } from '../../../src/postgres/desired.ts';
import type { Settings } from '../../../src/settings/settings.ts';
import { digestOf } from '../../../src/shared/files.ts';
import { filledSkylab, settingsOfHost, textOfHost } from '../../support/hosts.ts';
import { baseServices, modelOf, whyNoCompose } from '../compose/model.ts';

/*
 * The folders of hosts as `up` would use them: every file rendered, and the Compose files merged by Compose itself.
 */

const filesOf = (settings: Settings): readonly ServiceFile[] => [
  ...postgresFiles(),
  ...certificateFiles(desiredCertificates(settings)),
  ...renderIngress(desiredIngress(settings), digestOf).files,
  ...identityFiles(),
  ...meshFiles(settings),
];

const hosts = [
  ['SKYLAB', settingsOfHost('SKYLAB', filledSkylab())],
  ['example', settingsOfHost('example', textOfHost('example'))],
] as const;

const missing = whyNoCompose();

describe.each(hosts)('%s', (folder, settings) => {
  const desired = desiredContainers(settings, { files: filesOf, user: { uid: 0, gid: 0 }, down: false });
  const kinds = Object.fromEntries(
    baseServices.map((name) => [name, { image: `example/${name}:1`, kind: 'upstream', files: 'digest' }]),
  );
  const variables = composeVariables(desired, kinds);

  test('renders the files of every service that reads some, and leaves no placeholder in them', () => {
    expect(Object.keys(desired.files)).toEqual(
      expect.arrayContaining(['certs', 'coturn', 'netbird-management', 'nginx', 'pocket-id', 'postgres']),
    );
    const texts = Object.values(desired.files)
      .flat()
      .flatMap((file) => file.content.filter((part) => typeof part === 'string'));
    expect(texts.join('\n')).toContain('netbird.example.org');
    expect(texts.join('\n')).not.toMatch(/<your |<the |\[object/);
  });

  describe.skipIf(missing !== undefined)(`with Compose (${missing ?? 'found'})`, () => {
    const override = join('compose/hosts', folder, 'compose.yaml');

    test('is what Compose takes, without and with its override', () => {
      const alone = modelOf(desired.compose.files, variables);
      const merged = modelOf([...desired.compose.files, resolve(override)], variables);

      for (const model of [alone, merged]) {
        expect(Object.keys(model.services).sort()).toEqual([...baseServices].sort());
        expect(model.name).toBe(`skylab-${folder.toLowerCase()}`);
      }
      expect(alone.services['postgres']?.mem_limit).toBe(String(1024 ** 3));
      expect(merged.services['postgres']?.mem_limit).toBe(String(2 * 1024 ** 3));
      // An override adds to what is there; it replaces nothing else.
      expect(merged.services['pocket-id']?.environment).toMatchObject(
        alone.services['pocket-id']?.environment ?? {},
      );
    });

    test('publishes nothing but its front door, at the chosen address; coturn is on the host', () => {
      const { services } = modelOf(desired.compose.files, variables);
      const published = Object.entries(services).flatMap(([name, service]) =>
        (service.ports ?? []).map((port) => `${name} ${port.host_ip}:${port.published}/${port.protocol}`),
      );

      expect(published.sort()).toEqual(['nginx 192.168.1.10:8443/tcp', 'pocket-id 127.0.0.1:1411/tcp']);
      expect(services['coturn']?.network_mode).toBe('host');
    });
  });
});
