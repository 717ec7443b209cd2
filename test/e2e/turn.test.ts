import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { turnFiles } from '../../src/netbird/turn.ts';
import { testSettings } from '../support/settings.ts';
import { freePort, freePorts } from '../support/ports.ts';
import { relayedAddress } from '../support/turn.ts';
import { buildImages, containersOf, docker, fileFor, mustDocker, until } from './images-here.ts';

/*
 * coturn as the stack runs it: with the script that is written for it, in the image that is built where no registry answers.
 */

const { clear, freshName, start, stop } = containersOf(`skylab-test-turn-${process.pid}`);
const nobody = 65_534;
const secret = 'of-turn';

let ref = '';
let place = '';
let stun = 0;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'skylab-test-turn-'));
  ref = (await buildImages(AbortSignal.timeout(900_000)))['coturn'] ?? '';
});
afterAll(async () => rm(place, { recursive: true, force: true }));
afterEach(clear);

const followed = join('public', 'address');

/** Its files as `up` writes them, on the host's network, so that no address is made up on the way. */
const write = async (reachability: string, change: (text: string) => string = (text) => text) => {
  stun = await freePort();
  await rm(join(place, 'files'), { recursive: true, force: true });
  await rm(join(place, 'public'), { recursive: true, force: true });
  for (const folder of ['files', 'files/current', 'public'])
    await mkdir(join(place, folder), { recursive: true });
  await chmod(place, 0o755);
  const min = await freePorts(4);
  const ports = { min, max: min + 3 };
  const yaml = `turn: { network: host, relay_ports: { min: ${ports.min}, max: ${ports.max} } }`;
  const settings = testSettings(
    '/state',
    yaml,
    'lab',
    `reachability: ${reachability.replace('STUN', String(stun))}`,
  );
  for (const { path, content } of turnFiles(settings)) {
    const text = content.map((part) => (typeof part === 'string' ? part : secret)).join('');
    await fileFor(
      join(place, 'files', 'current'),
      path,
      path === 'run.sh' ? text : change(text),
      0o444,
      nobody,
    );
  }
};

/** Writes the address as the renewer does: a reader sees the old or the new one. */
const follow = async (address: string) => {
  await writeFile(join(place, 'public', '.new'), `${address}\n`);
  await chmod(join(place, 'public', '.new'), 0o644);
  await rename(join(place, 'public', '.new'), join(place, followed));
};

const options = () => [
  '--init',
  '--network=host',
  '--read-only',
  '--cap-drop=ALL',
  '--cap-add=NET_BIND_SERVICE',
  '--security-opt=no-new-privileges',
  `--user=${nobody}:${nobody}`,
  '--tmpfs=/var/lib/coturn:uid=65534,gid=65534',
  '--tmpfs=/var/tmp',
  '-v',
  `${join(place, 'files')}:/etc/skylab:ro`,
  '-v',
  `${join(place, 'public')}:/etc/skylab-public-address:ro`,
];
const command = ['sh', '/etc/skylab/current/run.sh'];
const begin = async () => start(ref, options(), command);
/** The address that is given to others, waited for where it is another one. */
const given = async (address: string) => {
  let seen: string | undefined;
  await until(`relayed addresses at ${address}`, 60_000, async () => {
    seen = await relayedAddress(stun, secret, '127.0.0.3');
    return seen === address || String(seen);
  });
  return seen;
};
const stateOf = async (name: string) =>
  mustDocker('inspect', '-f', '{{.State.Status}} {{.RestartCount}}', name);

const auto = '{ mode: port, stun_port: STUN, bind: 127.0.0.3 }';

describe('coturn', () => {
  test('gives its own address until one was found, and each new one after that, in the same container', async () => {
    await write(auto);
    const name = await begin();
    expect(await given('127.0.0.3')).toBe('127.0.0.3');

    await follow('198.51.100.7');
    expect(await given('198.51.100.7')).toBe('198.51.100.7');
    await follow('203.0.113.9');
    expect(await given('203.0.113.9')).toBe('203.0.113.9');

    expect(await stateOf(name)).toBe('running 0');
    // With 137 it would have been killed for not ending in its time.
    expect((await stop(name)).exit).toBe('143');
  });

  test('starts with the address that was known before', async () => {
    await write(auto);
    await follow('203.0.113.9');
    await begin();

    expect(await given('203.0.113.9')).toBe('203.0.113.9');
  });

  test.each(['nonsense', '203.0.113.9 -z', '$(reboot)', '2001:db8::1', ''])(
    'takes no address from "%s"',
    async (text) => {
      await write(auto);
      await follow(text);
      const name = await begin();
      expect(await given('127.0.0.3')).toBe('127.0.0.3');
      expect(await mustDocker('exec', name, 'cat', '/var/tmp/turnserver.conf')).not.toContain('external-ip');

      await follow('198.51.100.7');
      expect(await given('198.51.100.7')).toBe('198.51.100.7');
    },
  );

  test('keeps to a given address, whatever stands in the folder', async () => {
    await write('{ mode: port, stun_port: STUN, bind: 127.0.0.3, address: 198.51.100.7 }');
    await follow('203.0.113.9');
    await begin();

    expect(await given('198.51.100.7')).toBe('198.51.100.7');
  });

  test('ends when turnserver does, so that it is started again', async () => {
    await write(auto);
    const name = await begin();
    expect(await given('127.0.0.3')).toBe('127.0.0.3');
    await mustDocker('exec', name, 'sh', '-c', 'kill -KILL "$(cat /var/tmp/turnserver.pid)"');

    await until('the end of the container', 30_000, async () => {
      const seen = await stateOf(name);
      return seen === 'exited 0' || seen;
    });
    expect(await mustDocker('inspect', '-f', '{{.State.ExitCode}}', name)).toBe('137');
  });
});

describe('turnserver is not started', () => {
  const refusal = async () => {
    const name = freshName();
    const { code, text } = await docker('run', '--rm', '--name', name, ...options(), ref, ...command);
    return [code, text.includes('it is not started')];
  };

  test.each([
    ['asks nobody for credentials', (text: string) => text.replace('use-auth-secret\n', '')],
    ['has no secret', (text: string) => text.replace(secret, '')],
    ['is empty', () => ''],
  ])('with a configuration that %s', async (_what, change) => {
    await write(auto, change);
    expect(await refusal()).toEqual([1, true]);
    await write('{ mode: port, stun_port: STUN, bind: 127.0.0.3, address: 198.51.100.7 }', change);
    expect(await refusal()).toEqual([1, true]);
  });

  test('without a configuration; one that goes while it runs lets it run on with what it has', async () => {
    await write(auto);
    const name = await begin();
    expect(await given('127.0.0.3')).toBe('127.0.0.3');
    const conf = join(place, 'files', 'current', 'turnserver.conf');
    const text = await readFile(conf, 'utf8');
    await rm(conf);
    await follow('203.0.113.9');
    await until('a word of it', 30_000, async () => {
      const { text: log } = await docker('logs', name);
      return log.includes('turnserver runs on with what it has') || log;
    });
    expect(await relayedAddress(stun, secret, '127.0.0.3')).toBe('127.0.0.3');

    await fileFor(join(place, 'files', 'current'), 'turnserver.conf', text, 0o444, nobody);
    expect(await given('203.0.113.9')).toBe('203.0.113.9');
    await rm(conf);
    await clear();
    expect(await refusal()).toEqual([1, true]);
  });
});
