import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildImages, containersOf, docker, fileFor, mustDocker } from './images-here.ts';

/*
 * PostgreSQL, nginx and coturn in the images that are built where no registry answers behave as the official images
 * were seen to, row by row: who may run them, with which rights, on which folders, and how they refuse.
 */

const whyNotRoot = process.getuid?.() === 0 ? '' : ' (skipped: only root can give a file to another user)';
const prefix = `skylab-test-servers-${process.pid}`;
const volume = `${prefix}-data`;
const { clear, once, start, stop, untilInside } = containersOf(prefix);

let refs: Readonly<Record<string, string>> = {};
let place = '';

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'skylab-test-images-'));
  await chmod(place, 0o755);
  refs = await buildImages(AbortSignal.timeout(900_000));
});
afterEach(async () => {
  await clear();
  await docker('volume', 'rm', volume);
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

describe('postgres', () => {
  const initdb = '--encoding=UTF8 --locale=C.UTF-8 --locale-provider=builtin --data-checksums';
  const tmpfs = ['--tmpfs=/run/postgresql', '--tmpfs=/tmp'];
  const data = ['-v', `${volume}:/var/lib/postgresql/data`];
  const ready = ['pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres'];
  const query = (text: string) => ['psql', '-U', 'postgres', '-At', '-c', text];
  const secretAt = (path: string) => [
    '-v',
    `${path}:/run/superuser:ro`,
    '-e',
    'POSTGRES_PASSWORD_FILE=/run/superuser',
  ];

  test('runs as 999 without any right on a new volume, and again on the old one', async () => {
    const secret = await fileFor(place, 'password', 'correct horse', whyNotRoot === '' ? 0o400 : 0o444, 999);
    const options = [
      ...hard,
      '--user=999:999',
      ...tmpfs,
      ...data,
      ...secretAt(secret),
      '-e',
      `POSTGRES_INITDB_ARGS=${initdb}`,
    ];
    const name = await start(refOf('postgres'), options);
    await untilInside(name, ...ready);

    expect(await mustDocker('exec', name, 'stat', '-c', '%u:%g %a', '/var/lib/postgresql/data')).toBe(
      '999:999 700',
    );
    expect(
      await mustDocker(
        'exec',
        name,
        ...query("SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'postgres'"),
      ),
    ).toBe('b|C.UTF-8');
    expect(await mustDocker('exec', name, ...query('SHOW data_checksums'))).toBe('on');
    expect(await mustDocker('exec', name, 'tail', '-1', '/var/lib/postgresql/data/pg_hba.conf')).toBe(
      'host all all all scram-sha-256',
    );
    expect((await stop(name)).exit).toBe('0');

    await mustDocker('start', name);
    await untilInside(name, ...ready);
    expect((await stop(name)).exit).toBe('0');
  });

  test.skipIf(whyNotRoot !== '')(
    `does not start with a secret that its user cannot read${whyNotRoot}`,
    async () => {
      const secret = await fileFor(place, 'roots-password', 'correct horse', 0o600, 0);
      const ended = await once(refOf('postgres'), ['--user=999:999', ...tmpfs, ...secretAt(secret)]);

      expect(ended).toMatchObject({ code: 1, text: expect.stringContaining('Permission denied') as unknown });
    },
  );

  test('does not start without a password, nor with one given twice', async () => {
    const none = await once(refOf('postgres'), ['--user=999:999', ...tmpfs]);
    const secret = await fileFor(place, 'password', 'correct horse', 0o444, 999);
    const twice = await once(refOf('postgres'), [
      '--user=999:999',
      ...tmpfs,
      ...secretAt(secret),
      '-e',
      'POSTGRES_PASSWORD=x',
    ]);

    expect([none.code, twice.code]).toEqual([1, 1]);
    expect(twice.text).toContain('both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set');
  });

  test('started as root needs the rights to give the folder away and to become postgres, on the second start too', async () => {
    const caps = ['CHOWN', 'SETUID', 'SETGID', 'DAC_READ_SEARCH'].map((cap) => `--cap-add=${cap}`);
    const secret = ['-e', 'POSTGRES_PASSWORD=of-a-throw-away-server'];
    const without = await once(refOf('postgres'), [...hard, ...tmpfs, ...secret]);
    const name = await start(refOf('postgres'), [...hard, ...caps, ...tmpfs, ...data, ...secret]);
    await untilInside(name, ...ready);
    await stop(name);
    await mustDocker('start', name);
    await untilInside(name, ...ready);

    expect(without.code).not.toBe(0);
    expect(await mustDocker('exec', name, 'stat', '-c', '%u', '/proc/1')).toBe('999');
  });

  test('takes options as its command', async () => {
    const secret = ['-e', 'POSTGRES_PASSWORD=of-a-throw-away-server'];
    const name = await start(
      refOf('postgres'),
      ['--user=999:999', ...tmpfs, ...data, ...secret],
      ['-c', 'work_mem=9MB'],
    );
    await untilInside(name, ...ready);

    expect(await mustDocker('exec', name, ...query('SHOW work_mem'))).toBe('9MB');
  });
});

describe('nginx', () => {
  const own = `pid /tmp/nginx.pid; events {} http { access_log off; ${[
    'client_body',
    'proxy',
    'fastcgi',
    'uwsgi',
    'scgi',
  ]
    .map((kind) => `${kind}_temp_path /tmp/${kind};`)
    .join(' ')} server { listen 80; http2 on; location = /healthz { return 200; } } }`;

  test('runs as the owner of the certificates without any right, with a configuration that keeps to /tmp', async () => {
    const conf = await fileFor(place, 'nginx.conf', own, 0o444, 1000);
    const options = [...hard, '--user=1000:1000', '--tmpfs=/tmp', '-v', `${conf}:/own.conf:ro`];
    const name = await start(refOf('nginx'), options, ['nginx', '-c', '/own.conf', '-g', 'daemon off;']);
    await untilInside(name, 'curl', '-fsS', '-o', '/dev/null', 'http://127.0.0.1/healthz');

    expect((await docker('exec', name, 'nginx', '-t', '-c', '/own.conf')).code).toBe(0);
    expect((await docker('exec', name, 'sh', '-c', 'kill -HUP 1')).code).toBe(0);
    expect((await stop(name)).exit).toBe('0');
  });

  test('with its own configuration needs root, or folders that are not there for others', async () => {
    const name = await start(refOf('nginx'), []);
    await untilInside(name, 'curl', '-fsS', '-o', '/dev/null', 'http://127.0.0.1/');
    const other = await once(refOf('nginx'), [...hard, '--user=101:101']);

    expect(await mustDocker('exec', name, 'id', '-u', 'nginx')).toBe('101');
    expect(other).toMatchObject({ text: expect.stringContaining('/var/cache/nginx') as unknown });
    expect(other.code).not.toBe(0);
  });

  test('runs scripts of /docker-entrypoint.d before nginx, and before nothing else', async () => {
    const script = await fileFor(place, '90-own.sh', '#!/bin/sh\necho was here\n', 0o555, 0);
    const mount = ['-v', `${script}:/docker-entrypoint.d/90-own.sh:ro`];

    expect((await once(refOf('nginx'), mount, ['nginx', '-v'])).text).toContain('was here');
    expect((await once(refOf('nginx'), mount, ['sh', '-c', 'echo other'])).text).toBe('other');
  });
});

describe('coturn', () => {
  const tmpfs = ['--tmpfs=/var/lib/coturn:uid=65534,gid=65534', '--tmpfs=/var/tmp'];
  const stun = ['timeout', '3', 'turnutils_stunclient', '-p', '3478', '127.0.0.1'];

  test('carries the capability on its file: without it in the set the kernel does not start it', async () => {
    const without = await once(refOf('coturn'), [...hard, ...tmpfs], ['-c', '/dev/null']);

    expect(without).toMatchObject({
      code: 126,
      text: expect.stringContaining('Operation not permitted') as unknown,
    });
  });

  test('runs as nobody with that one right, and stops at once behind an init', async () => {
    const conf = await fileFor(
      place,
      'turnserver.conf',
      'use-auth-secret\nstatic-auth-secret=x\nrealm=r\nlog-file=stdout\n',
      0o444,
      65_534,
    );
    const options = ['--init', ...hard, '--cap-add=NET_BIND_SERVICE', ...tmpfs, '-v', `${conf}:/own.conf:ro`];
    const name = await start(refOf('coturn'), options, ['-c', '/own.conf']);
    await untilInside(name, ...stun);

    expect(await mustDocker('exec', name, 'id', '-u')).toBe('65534');
    // Docker kills what does not end by itself.
    expect((await stop(name)).exit).not.toBe('137');
  });

  test.skipIf(whyNotRoot !== '')(
    `runs on with a configuration it cannot read, so a proof has to look for a 401${whyNotRoot}`,
    async () => {
      const conf = await fileFor(place, 'secret.conf', 'use-auth-secret\n', 0o400, 0);
      const options = [
        '--init',
        ...hard,
        '--cap-add=NET_BIND_SERVICE',
        ...tmpfs,
        '-v',
        `${conf}:/own.conf:ro`,
      ];
      const name = await start(refOf('coturn'), options, ['-c', '/own.conf', '--log-file=stdout']);

      await untilInside(name, ...stun);

      expect(await mustDocker('logs', name)).toMatch(/cannot find config file/i);
    },
  );

  test('has its arguments read by the shell once more', async () => {
    const ended = await once(
      refOf('coturn'),
      ['-e', 'REAL_EXTERNAL_IP=192.0.2.7'],
      ['echo', '$(detect-external-ip)'],
    );

    expect(ended.text).toBe('192.0.2.7');
  });
});
