import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseHost, hostFolders } from '../../../src/settings/host.ts';
// Plain JavaScript without types: it runs before any package is there.
// @ts-expect-error -- no declaration
import { allSources, mirrorOf, readSources } from '../../../bin/lib/apt-sources.mjs';
// @ts-expect-error -- no declaration
import { tooOld, unwanted } from '../../../bin/lib/apt.mjs';
// @ts-expect-error -- no declaration
import { decide, packagesFor } from '../../../bin/lib/decide.mjs';
// @ts-expect-error -- no declaration
import { checkVersions, ownSocket } from '../../../bin/lib/engine.mjs';
// @ts-expect-error -- no declaration
import { isSandbox, readOs, typedCommand } from '../../../bin/lib/machine.mjs';
// @ts-expect-error -- no declaration
import { selfTestNeedsEngine } from '../../../bin/lib/tiers.mjs';

const bookworm = { id: 'debian', like: '', codename: 'bookworm' };
const bare = {
  engine: { errno: 'ENOENT' },
  isRoot: true,
  os: bookworm,
  hasDockerd: false,
  foreign: [],
  install: undefined,
  hasTerminal: false,
  isSandbox: true,
  init: 'systemd',
  typed: 'npm run up',
};

const outcome = (facts: object): unknown => {
  try {
    const { do: what, ask } = decide({ ...bare, ...facts }) as { do: string; ask?: boolean };
    return ask === true ? `ask to ${what}` : what;
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('a missing Engine', () => {
  test.each([
    ['an Engine that answers needs nothing', { engine: { version: '26.1.5' } }, 'nothing'],
    ['the sandbox as root on a bare machine gets one without a question', {}, 'install'],
    ['on a terminal it asks', { hasTerminal: true }, 'ask to install'],
    ['SKYLAB_INSTALL=yes goes ahead, also on a terminal', { hasTerminal: true, install: 'yes' }, 'install'],
    ['SKYLAB_INSTALL=no never does', { hasTerminal: true, install: 'no' }, 'ENGINE_MISSING'],
    ['a real host without a terminal is left alone', { isSandbox: false }, 'ENGINE_MISSING'],
    [
      'another container engine is never joined by a second one',
      { foreign: ['podman-docker'], install: 'yes' },
      'ENGINE_MISSING',
    ],
    ['only root installs', { isRoot: false, install: 'yes' }, 'ENGINE_MISSING'],
    [
      'other systems are told what to install',
      { os: { id: 'nixos', like: '', codename: '' }, install: 'yes' },
      'ENGINE_MISSING',
    ],
    ['one that is installed and stopped is started', { hasDockerd: true }, 'start'],
    ['on a terminal it asks before the start', { hasDockerd: true, hasTerminal: true }, 'ask to start'],
    ['who is not root is told how to start it', { hasDockerd: true, isRoot: false }, 'ENGINE_UNREACHABLE'],
    ['a socket that is not for this user is its own case', { engine: { errno: 'EACCES' } }, 'ENGINE_DENIED'],
    [
      'SKYLAB_INSTALL=no does not start one either',
      { hasDockerd: true, install: 'no' },
      'ENGINE_UNREACHABLE',
    ],
    [
      'one of a real host without a terminal stays stopped',
      { hasDockerd: true, isSandbox: false },
      'ENGINE_UNREACHABLE',
    ],
    [
      'an Engine that is stopped is started, whatever else is installed',
      { hasDockerd: true, foreign: ['docker-ce'] },
      'start',
    ],
    [
      'an Engine that hangs is its own case',
      { engine: { errno: 'ETIMEDOUT' }, hasDockerd: true },
      'ENGINE_UNREACHABLE',
    ],
  ])('%s', (_title, facts, wanted) => {
    expect(outcome(facts)).toBe(wanted);
  });

  test('that is missing is installed by the very command that was typed, with one word before it', () => {
    const typed: unknown = typedCommand(['up', '--host', 'attic']);
    const facts = { ...bare, isSandbox: false, typed };

    expect(() => decide(facts) as unknown).toThrow(
      expect.objectContaining({
        fix: expect.stringMatching(
          /^let it be installed: SKYLAB_INSTALL=yes npm run -s up -- --host attic; or /,
        ) as string,
      }),
    );
    expect([typedCommand(['up']), typedCommand(['self-test'])]).toEqual(['npm run up', 'npm test']);
  });

  test('comes from trixie on bookworm, from the release itself elsewhere', () => {
    expect([packagesFor(bookworm).release, packagesFor({ ...bookworm, codename: 'trixie' }).release]).toEqual(
      ['trixie', undefined],
    );
    expect(packagesFor({ id: 'ubuntu', like: 'debian', codename: 'noble' }).names).toContain(
      'docker-compose-v2',
    );
  });
});

describe('versions', () => {
  const codeOf = (engine: string, compose: object): unknown => {
    try {
      checkVersions(engine, () => compose);
      return 'good';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test.each([
    ['26.1.5+dfsg1', { code: 0, stdout: '2.26.1-4\n' }, 'good'],
    ['25.0.0', { code: 0, stdout: 'v2.24.4\n' }, 'good'],
    ['24.0.9', { code: 0, stdout: '2.26.1\n' }, 'ENGINE_TOO_OLD'],
    ['28.2.2', { code: 0, stdout: '2.24.3\n' }, 'COMPOSE_TOO_OLD'],
    ['28.2.2', { code: 1, stdout: '' }, 'COMPOSE_MISSING'],
  ])('Engine %s with Compose %j is %s', (engine, compose, wanted) => {
    expect(codeOf(engine, compose)).toBe(wanted);
  });
});

describe("apt's files", () => {
  test('are read without their comments, in both forms', () => {
    const deb822 = `Types: deb\n# http://snapshot.example/archive\nURIs: http://deb.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://sec.example/\nSuites: bookworm-security\n`;
    const lines =
      '# deb http://old.example x main\ndeb [signed-by=/k.gpg arch=amd64] http://deb.example/debian trixie main\n';

    expect(readSources(deb822, true)).toEqual([
      { uri: 'http://deb.example/debian', suites: ['bookworm', 'bookworm-updates'], signedBy: '/k.gpg' },
      { uri: 'http://sec.example/', suites: ['bookworm-security'], signedBy: undefined },
    ]);
    expect(readSources(lines, false)).toEqual([
      { uri: 'http://deb.example/debian', suites: ['trixie'], signedBy: '/k.gpg' },
    ]);
  });

  test('are read with fields over several lines, several addresses, and a key that is written out', () => {
    const text = [
      'Types: deb deb-src',
      'URIs: http://a.example/debian',
      ' # not this one',
      ' http://b.example/debian',
      'Suites:',
      ' bookworm',
      ' bookworm-updates',
      'Components: main',
      'Signed-By:',
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
      ' .',
      ' mDMEabc=',
      ' -----END PGP PUBLIC KEY BLOCK-----',
    ].join('\n');

    expect(readSources(text, true)).toEqual(
      ['http://a.example/debian', 'http://b.example/debian'].map((uri) => ({
        uri,
        suites: ['bookworm', 'bookworm-updates'],
        signedBy: undefined,
      })),
    );
  });

  test('count only where they are switched on and hold programs', () => {
    const off = 'Types: deb\nEnabled: no\nURIs: http://a.example/debian\nSuites: trixie\n';
    const sourcesOnly = 'Types: deb-src\nURIs: http://a.example/debian\nSuites: trixie\n';
    const lines = 'deb-src http://a.example/debian trixie main\n';

    expect([
      ...readSources(off, true),
      ...readSources(sourcesOnly, true),
      ...readSources(lines, false),
    ]).toEqual([]);
  });

  test('name the mirror of the release itself, over the network', () => {
    const sources = readSources(
      [
        'deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_]/ bookworm main',
        'deb http://sec.example/debian-security bookworm-security main',
        'deb https://deb.example/debian bookworm main',
      ].join('\n'),
      false,
    ) as unknown;

    expect(mirrorOf(sources, 'bookworm')).toMatchObject({ uri: 'https://deb.example/debian' });
    expect(mirrorOf(sources, 'trixie')).toBeUndefined();
  });

  test('are none where there is no folder', () => {
    expect(allSources('/nowhere/at/all')).toEqual([]);
  });

  test('a simulation that upgrades or removes is found out', () => {
    const simulation =
      'Inst docker.io (26.1.5 Debian:13 [amd64])\nInst libc6 [2.36] (2.41 Debian:13 [amd64])\nRemv podman [4.3]\nConf docker.io\n';

    expect(unwanted(simulation)).toEqual(['upgrade libc6', 'remove podman']);
    expect(unwanted('Inst docker.io (26.1.5 Debian:13 [amd64])\n')).toEqual([]);
  });

  test('a simulation that brings versions this stack does not run on is found out', () => {
    expect(tooOld('Inst docker.io (20.10.24+dfsg1-1+deb12u1 Debian:12 [amd64])\n')).toEqual([
      'docker.io 20.10.24, wanted is 25 or later',
    ]);
    expect(tooOld('Inst docker-compose (1.29.2-3 Debian:12 [all])\n')).toEqual([
      'docker-compose 1.29.2, wanted is 2.24.4 or later',
    ]);
    expect(
      tooOld('Inst docker.io (26.1.5+dfsg1-9 Debian:13 [amd64])\nInst docker-compose (2.26.1-4 Debian:13)\n'),
    ).toEqual([]);
  });

  test('os-release is read with and without quotes', () => {
    expect(readOs('PRETTY_NAME="x"\nID=debian\nVERSION_CODENAME="bookworm"\nID_LIKE="a b"\n')).toEqual({
      id: 'debian',
      like: 'a b',
      codename: 'bookworm',
    });
  });
});

test('only the usual socket is ours; an Engine that was chosen elsewhere is left alone', async () => {
  const home = await mkdtemp(join(tmpdir(), 'skylab-home-'));
  await mkdir(join(home, '.docker'));
  const inContext = async (config: string) => {
    await writeFile(join(home, '.docker', 'config.json'), config);
    return ownSocket({}, home) as unknown;
  };

  expect([
    ownSocket({}, '/nowhere'),
    ownSocket({ DOCKER_HOST: 'unix:///var/run/docker.sock' }, '/nowhere'),
    ownSocket({ DOCKER_HOST: 'unix:///run/user/1000/docker.sock' }, '/nowhere'),
    ownSocket({ DOCKER_HOST: 'tcp://127.0.0.1:2375' }, '/nowhere'),
    ownSocket({ DOCKER_CONTEXT: 'far' }, '/nowhere'),
    await inContext('{"currentContext":"rootless"}'),
    await inContext('{"auths":{}}'),
    await inContext('no JSON'),
  ]).toEqual([
    '/var/run/docker.sock',
    '/var/run/docker.sock',
    undefined,
    undefined,
    undefined,
    undefined,
    '/var/run/docker.sock',
    '/var/run/docker.sock',
  ]);
  await rm(home, { recursive: true });
});

test('the sandbox is told from a real host as the program itself tells them apart', async () => {
  const hosts = await mkdtemp(join(tmpdir(), 'skylab-hosts-'));
  for (const name of ['SKYLAB', 'sandbox', 'example']) await mkdir(join(hosts, name));
  const folders = await hostFolders(hosts);
  const names = fc.constantFrom(undefined, '', 'SKYLAB', 'skylab', 'sandbox', 'Sandbox', 'other', 'example');

  fc.assert(
    fc.property(names, names, names, (flag, env, machine = 'other') => {
      const args = flag === undefined ? ['up'] : ['up', '--host', flag];
      const wanted = {
        machine: `${machine}.lan`,
        ...(flag === undefined ? {} : { flag }),
        ...(env === undefined ? {} : { env }),
      };
      let program: string | undefined;
      try {
        program = chooseHost(wanted, folders, hosts).name;
      } catch {
        // A host that has no folder: whatever we think of it, the program refuses.
        return;
      }
      const seen: unknown = isSandbox(
        '/nowhere',
        args,
        { STACK_HOST: env, SKYLAB_HOSTS: hosts },
        wanted.machine,
      );
      expect(seen).toBe(program === 'sandbox');
    }),
  );
  await rm(hosts, { recursive: true });
});

test('only tiers with containers in them need an Engine', () => {
  expect([
    selfTestNeedsEngine([]),
    selfTestNeedsEngine(['unit', 'property']),
    selfTestNeedsEngine(['unit', 'e2e']),
    selfTestNeedsEngine(['kills']),
  ]).toEqual([true, false, true, true]);
});
