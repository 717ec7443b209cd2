import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { askRegistry } from '../../src/containers/images/engine.ts';
import { provideImage } from '../../src/containers/images/provide.ts';
import { createRegistries } from '../../src/containers/images/registries.ts';
import type { ImageAction } from '../../src/containers/images/resolve.ts';
import { effectsFor } from '../support/steps.ts';
import { buildImages, containersOf, mustDocker } from './images-here.ts';

/*
 * The images that are built where no registry answers look like the official ones where this stack relies on it:
 * users, entrypoints, volumes, stop signals, and the tools that are and are not there.
 */

const socketPath = '/var/run/docker.sock';
const prefix = `skylab-test-images-${process.pid}`;
const { clear, freshName, once } = containersOf(prefix);

let refs: Readonly<Record<string, string>> = {};
let place = '';

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'skylab-test-images-'));
  await chmod(place, 0o755);
  refs = await buildImages(AbortSignal.timeout(900_000));
});
afterEach(async () => {
  await clear();
});
afterAll(async () => {
  await rm(place, { recursive: true, force: true });
});

const refOf = (service: string): string => {
  const ref = refs[service];
  if (ref === undefined) throw new Error(`no image was built for ${service}`);
  return ref;
};
const hard = ['--cap-drop=ALL', '--security-opt=no-new-privileges', '--read-only'] as const;

describe('what an image declares', () => {
  const declared = {
    postgres: ['', ['docker-entrypoint.sh'], ['postgres'], 'SIGINT', ['/var/lib/postgresql/data']],
    nginx: ['', ['/docker-entrypoint.sh'], ['nginx', '-g', 'daemon off;'], 'SIGQUIT', []],
    coturn: [
      'nobody:nogroup',
      ['docker-entrypoint.sh'],
      ['--log-file=stdout', '--external-ip=$(detect-external-ip)'],
      '',
      ['/var/lib/coturn'],
    ],
    pebble: ['', ['/app'], [], '', []],
    certs: ['node', ['node', '/app/dist/cli.js'], [], '', []],
    'pocket-id': ['', ['/app/pocket-id'], [], '', []],
    'netbird-management': ['', ['/go/bin/netbird-mgmt', 'management'], ['--log-file', 'console'], '', []],
    'netbird-signal': ['', ['/go/bin/netbird-signal', 'run'], ['--log-file', 'console'], '', []],
    'netbird-relay': ['', ['/go/bin/netbird-relay'], [], '', []],
    'netbird-dashboard': ['', ['/usr/bin/node', '/app/netbird.mjs', 'dashboard'], [], 'SIGINT', []],
  } as const;

  test.each(Object.entries(declared))(
    '%s: user, entrypoint, command, stop signal, volumes',
    async (name, row) => {
      const [config] = JSON.parse(await mustDocker('image', 'inspect', refOf(name))) as [
        { Config: Record<string, string | string[] | object | null> },
      ];
      const { User, Entrypoint, Cmd, StopSignal, Volumes } = config.Config;

      expect([User, Entrypoint, Cmd ?? [], StopSignal ?? '', Object.keys(Volumes ?? {})]).toEqual(row);
    },
  );
});

describe('the tools inside', () => {
  const tools = {
    postgres: ['bash psql pg_isready pg_dump pg_dumpall gosu xz zstd less', 'curl wget nc busybox node'],
    nginx: ['bash sh curl nginx', 'wget nc busybox node'],
    coturn: ['bash turnserver turnutils_stunclient turnutils_uclient timeout', 'curl wget nc busybox node'],
    'pocket-id': ['sh wget nc', 'bash curl'],
    'netbird-management': ['bash', 'sh curl wget nc busybox'],
    'netbird-signal': ['/busybox/sh /busybox/nc /busybox/wget', '/bin/sh bash curl'],
    'netbird-relay': ['/busybox/sh /busybox/nc /busybox/cat', '/bin/sh bash curl'],
    'netbird-dashboard': ['sh bash curl', 'wget nc busybox'],
    pebble: ['/app', 'sh bash /busybox/sh'],
    certs: ['node', ''],
  } as const;

  test.each(Object.entries(tools))(
    '%s has those that are used in it, and not those the official image lacks',
    async (name, [there, away]) => {
      const path = await mustDocker(
        'image',
        'inspect',
        '-f',
        '{{range .Config.Env}}{{println .}}{{end}}',
        refOf(name),
      );
      const folders = (
        /^PATH=(.*)$/m.exec(path)?.[1] ?? '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
      ).split(':');
      const container = new Docker({ socketPath }).getContainer(
        await mustDocker('create', '--name', freshName(), refOf(name)),
      );
      const has = async (tool: string) => {
        const places = tool.startsWith('/') ? [tool] : folders.map((folder) => `${folder}/${tool}`);
        const found = await Promise.all(
          places.map(async (one) =>
            container.infoArchive({ path: one }).then(
              () => true,
              () => false,
            ),
          ),
        );
        return found.includes(true);
      };
      const found = await Promise.all(
        `${there} ${away}`
          .split(' ')
          .filter((tool) => tool !== '')
          .map(async (tool) => ((await has(tool)) ? [tool] : [])),
      );

      expect(found.flat()).toEqual(there.split(' '));
    },
  );
});

describe('programs of our own', () => {
  test('the renewer runs as 1000 without any right', async () => {
    const ended = await once(refOf('certs'), [...hard, '--user=1000:1000', '--tmpfs=/tmp'], ['--help']);

    expect(ended).toMatchObject({ code: 0, text: expect.stringContaining('renew') as unknown });
  });

  test.each([
    ['pocket-id', ['healthcheck'], 'ENCRYPTION_KEY'],
    ['netbird-management', [], '/etc/netbird/management.json'],
    ['netbird-relay', [], 'auth secret is required'],
  ])(
    'the stand-in for %s ends at once where a setting is missing, and names it',
    async (name, command, says) => {
      const ended = await once(refOf(name), [...hard, '--user=1000:1000'], command);

      expect(ended).toMatchObject({ code: 1, text: expect.stringContaining(says) as unknown });
    },
  );
});

describe('an image that cannot be had', () => {
  const provide = async (action: ImageAction) =>
    provideImage(
      action,
      { installation: place, cache: join(place, 'cache') },
      effectsFor(),
      AbortSignal.timeout(60_000),
    );

  test('names the package that would build it, where that is not installed', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = place;
    try {
      await expect(
        provide({ kind: 'make-base', ref: 'skylab-local/base:x', needs: [] }),
      ).rejects.toMatchObject({
        code: 'IMAGE_UNAVAILABLE',
        hint: expect.stringContaining('Debian package mmdebstrap') as unknown,
      });
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('says what the Engine said of the registry', async () => {
    await expect(provide({ kind: 'pull', ref: '127.0.0.1:1/c:1', needs: [] })).rejects.toMatchObject({
      code: 'IMAGE_UNAVAILABLE',
      message: expect.stringContaining('connection refused') as unknown,
    });
  });
});

describe('a registry that does not answer', () => {
  const ask = async (ref: string, signal: AbortSignal) =>
    askRegistry(new Docker({ socketPath }), ref, signal);
  const signal = AbortSignal.timeout(60_000);

  test('costs 2 s at most for all images together, and nothing the second time', async () => {
    const silent = createServer((connection) => connection.unref());
    silent.listen(0, '0.0.0.0');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as AddressInfo;
    const hosts = Array.from({ length: 8 }, (_, at) => `127.0.0.${at + 1}:${port}`);
    const refusing = Array.from({ length: 8 }, (_, at) => `127.0.0.${at + 1}:1`);
    const events: string[] = [];
    const asking = async (to: readonly string[]) => {
      const startMs = performance.now();
      const askRegistries = createRegistries({
        cache: join(place, 'cache'),
        ask: async (ref, limited) => {
          events.push('asked');
          return ask(ref, limited).finally(() => events.push('ended'));
        },
      });
      const answers = await askRegistries(
        to.flatMap((host) => [`${host}/a:1`, `${host}/b:1`]),
        new Set(),
        signal,
      );
      return { answers, tookMs: performance.now() - startMs };
    };

    const base = await asking(refusing);
    events.length = 0;
    const first = await asking(hosts);
    const seen = events.splice(0);
    const second = await asking(hosts);
    silent.close();

    expect([...base.answers.keys()].sort()).toEqual([...refusing].sort());
    for (const host of hosts) {
      expect(first.answers.get(host)).toBe(`no answer from ${host} within 1.5 s`);
      expect(second.answers.get(host)).toContain('a few minutes ago');
    }
    // One question a registry, none of them after another one's end; the second time none at all.
    expect(seen).toEqual([...hosts.map(() => 'asked'), ...hosts.map(() => 'ended')]);
    expect(events).toEqual([]);
    const more = first.tookMs - base.tookMs;
    process.stdout.write(`registries that are silent cost ${Math.round(more)} ms\n`);
    // One after the other they would cost 12 s, waited for as long as a connection may take a minute.
    expect(more).toBeLessThan(8000);
  });
});
