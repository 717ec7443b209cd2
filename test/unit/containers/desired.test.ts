import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  composeVariables,
  containerKeeps,
  desiredContainers,
  filesWish,
  hostServices,
  netbirdFolder,
  renderEnv,
  servicesIn,
} from '../../../src/containers/desired.ts';
import { catalogue } from '../../../src/containers/images/catalogue.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import { desiredOf, settingsOf } from './worlds.ts';

const given = { files: () => [], down: false };
const root = { uid: 0, gid: 0 };
const someone = { uid: 1234, gid: 100 };

/** Variables that a Compose file uses and gives no default. */
const usedIn = (...paths: readonly string[]): readonly string[] => {
  const text = paths.map((path) => readFileSync(path, 'utf8').replaceAll(/^\s*#.*$/gm, '')).join('\n');
  return [...new Set([...text.matchAll(/(?<!\$)\$\{([A-Z_]+):?\?/g)].map((match) => match[1] ?? ''))].sort();
};

describe('the variables for Compose', () => {
  const files = ['compose/compose.yaml', 'compose/hosts/sandbox/compose.yaml'];
  const services = servicesIn(
    files.map((file) => readFileSync(file, 'utf8')).join('\n'),
    Object.keys(catalogue),
  );
  const one = { image: 'x:1', kind: 'upstream', files: 'd' };
  const variables = composeVariables(desiredOf(), Object.fromEntries(services.map((name) => [name, one])));

  test('are exactly those that the files use, and the one that Compose reads by itself', () => {
    expect(Object.keys(variables).sort()).toEqual([...usedIn(...files), 'COMPOSE_PROJECT_NAME'].sort());
  });

  test('hold no secret', () => {
    expect(Object.keys(variables).filter((name) => /SECRET|PASSWORD|TOKEN|KEY/.test(name))).toEqual([]);
  });

  test('are read from no service that the files do not leave to a variable', () => {
    expect(
      servicesIn('image: ${NETBIRD_SIGNAL_IMAGE:?}\nimage: nginx:1', ['netbird-signal', 'nginx']),
    ).toEqual(['netbird-signal']);
  });

  test('name the folder of the stand-in where one runs, and of the real server otherwise', () => {
    const desired = desiredOf();
    const folderFor = (kind: string) =>
      composeVariables(desired, { 'netbird-management': { ...one, kind } })['NETBIRD_DATA'];

    expect(folderFor('stand-in')).toBe('/srv/netbird-standin');
    expect(folderFor('upstream')).toBe('/srv/netbird');
    expect(netbirdFolder(desired, 'built').path).toBe('/srv/netbird');
  });

  test('let root run shared services as a user of their own, and others as themselves', () => {
    const settings = settingsOf();
    const userFor = (user: typeof root) =>
      desiredContainers(settings, { ...given, user }).variables['NGINX_USER'];

    expect(userFor(root)).toBe('1000:1000');
    expect(userFor(someone)).toBe('1234:100');
  });
});

describe('compose.env', () => {
  test('is sorted, and keeps every character as it is', () => {
    expect(renderEnv({ B: 'a $b "c" #d', A: '' }).split('\n').slice(1)).toEqual([
      "A=''",
      `B='a $b "c" #d'`,
      '',
    ]);
  });

  test.each(["it's", 'a\\b', 'a\nb', 'a\0b'])(
    'refuses %j, which Compose would read as something else',
    (value) => {
      let error: unknown;
      try {
        renderEnv({ SKYLAB_STATE: value });
      } catch (thrown) {
        error = thrown;
      }

      expect(isStackError(error) && error.code).toBe('SETTINGS_INVALID');
    },
  );
});

describe('what is wanted', () => {
  test('puts coturn on the network of the host unless the settings say bridge', () => {
    const filesFor = (yaml: string) =>
      desiredOf(settingsOf(yaml)).compose.files.map((file) => file.split('/').at(-1));

    expect(filesFor('')).toEqual(['compose.yaml', 'turn-host.yaml']);
    expect(filesFor('turn: { network: bridge }')).toEqual(['compose.yaml']);
  });

  test('lets management wait for PostgreSQL only where it keeps its data there', () => {
    expect(desiredOf().needs['netbird-management']).toEqual([]);
    expect(desiredOf(settingsOf('mesh: { store: postgres }')).needs['netbird-management']).toEqual([
      'postgres.ready',
    ]);
  });

  test('writes the subnet from its first address on, as Docker shows it', () => {
    expect(desiredOf(settingsOf('network: { subnet: 172.30.7.9/24 }')).network.subnet).toBe('172.30.7.0/24');
  });

  test('gives root the folders that a container writes to the user of the container', () => {
    const owners = (user: typeof root) => {
      const desired = desiredContainers(settingsOf(), { ...given, user });
      const certificates = desired.folders.find((one) => one.path.endsWith('/certificates'));
      return [certificates?.owner, desired.netbirdData.real.owner, desired.folders[0]?.owner];
    };

    expect(owners(root)).toEqual([{ uid: 1000, gid: 1000 }, { uid: 1000, gid: 1000 }, root]);
    expect(owners(someone)).toEqual([someone, someone, someone]);
  });

  test('refuses a file outside the folder of its service', () => {
    const outside = {
      service: 'nginx',
      path: '../other',
      content: [],
      reader: root,
      reloads: false,
    };

    expect(() =>
      desiredContainers(settingsOf(), { files: () => [outside], user: root, down: false }),
    ).toThrow(/plain relative path/);
  });

  test('refuses an image for a service that there is not, and names those that there are', () => {
    const base = settingsOf();
    const overrides = { postgre: 'a/b:1', nginx: 'c:2' };
    const settings = { ...base, images: { ...base.images, overrides } };

    expect(() => desiredOf(settings)).toThrow(
      expect.objectContaining({
        code: 'SETTINGS_INVALID',
        message: 'images/overrides: no service is named "postgre"',
        hint: expect.stringContaining('postgres, pocket-id, netbird-management') as string,
      }) as Error,
    );
  });

  test('tells the services of the host from those of the stack', () => {
    expect(hostServices(['postgres', 'provider', 'certs'])).toEqual(['provider']);
  });

  test('hands the kind of image on to the files', () => {
    expect(filesWish(desiredOf(), 'postgres', 'stand-in').standIn).toBe(true);
    expect(filesWish(desiredOf(), 'postgres', 'built').standIn).toBe(false);
  });
});

test('the database, the data of the mesh and every secret of ours must be kept', () => {
  const settings = settingsOf();
  const keeps = containerKeeps(desiredOf({ ...settings, mesh: { ...settings.mesh, peer: true } }));

  expect(keeps.filter((one) => one.what !== 'secret').map((one) => one.name)).toEqual([
    'skylab-lab_postgres',
    '/srv/netbird',
    '/srv/netbird-standin',
    'skylab-lab_netbird-peer',
  ]);
  expect(keeps.filter((one) => one.what === 'secret').map((one) => one.name)).toContain(
    'pocket-id-encryption-key',
  );
});
