import { cp, readdir, readFile } from 'node:fs/promises';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClone, type Clone } from '../support/clone.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';
import { findPebble } from '../support/pebble.ts';

/*
 * "Your own server" of the README, from the clone to the login: a host that is not the sandbox, in an outside world that
 * is no part of the stack. Then the folder of SKYLAB, with its own ports and subnet, beside a sandbox.
 */

const pebble = await findPebble();

const isFree = async (port: number, protocol: 'tcp' | 'udp'): Promise<boolean> => {
  const socket = protocol === 'tcp' ? createServer() : createSocket('udp4');
  try {
    if ('listen' in socket) socket.listen(port, '127.0.0.1');
    else socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await new Promise<void>((done) => {
      try {
        socket.close(() => {
          done();
        });
      } catch {
        // It never listened.
        done();
      }
    });
  }
};

const name = (purpose: string): string => `t-${purpose}-${process.pid}`;
const own = name('attic');
/** Its folder is that of SKYLAB under a name of the test's own: whoever has a real SKYLAB here keeps it. */
const skylab = `SKYLAB-${name('side')}`;
const domains = ['attic.localhost', 'family.localhost'] as const;

let clone: Clone;
beforeAll(async () => {
  if ('missing' in pebble) return;
  clone = await createClone(domains);
});
afterAll(async () => {
  if ('missing' in pebble) return;
  await clone.remove(own, skylab);
});

const answers = (domain: string, more: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries({
    '--domain': domain,
    '--admin-username': 'anna',
    '--admin-first-name': 'Anna',
    '--admin-email': `anna@${domain}`,
    '--reach': 'lan',
    '--bind': '127.0.0.1',
    '--front-door': 'own',
    '--token': 'file',
    '--token-file': clone.tokenFile,
    ...more,
  }).flat();

/** Lines that say that something is not well, or that a command is not the one for this host. */
const alarms = (text: string, host: string): readonly string[] =>
  text
    .split('\n')
    .filter(
      (line) =>
        /^(!|✗|warning|waiting|unknown|error)|^ +fix:/.test(line) ||
        (line.includes('npm run') && !line.includes(`--host ${host}`)),
    );

describe.skipIf('missing' in pebble)("a server of one's own", { concurrent: false }, () => {
  const types = async (verb: string, ...args: readonly string[]) => clone.types(verb, ...args, '--host', own);

  test('up before init says what makes the folder', async () => {
    const up = await types('up');

    expect(up.code).toBe(78);
    expect(up.stderr).toContain(`fix: npm run -s init -- --host ${own} makes one`);
  });

  test('init looks at the world, writes the folder, shows a plan without alarm, and says what is next', async () => {
    const flags = [...answers('attic.localhost', { '--port': '9443' }), ...clone.world(own)];
    const ports = { 'reachability.stun_port': 9478, 'identity.loopback_port': 9411 };
    const others = Object.entries(ports).flatMap(([path, port]) => ['--set', `${path}=${port}`]);
    const init = await types(
      'init',
      ...flags,
      ...others,
      '--set',
      'turn.relay_ports={"min":9480,"max":9489}',
      '--set',
      'network.subnet=10.214.7.0/24',
    );

    expect(init.stderr).toContain('the token may edit the DNS of attic.localhost (may edit attic.localhost)');
    expect(alarms(init.stderr + init.stdout, own)).toEqual([]);
    expect(init.stdout).toContain('create A netbird.attic.localhost');
    expect(init.stderr.trimEnd().split('\n').at(-1)).toBe(`next: npm run -s up -- --host ${own}`);
    expect(init.code).toBe(0);
    expect(await readdir(join(clone.folder, 'compose', 'hosts', own))).toEqual(['settings.yaml']);
  });

  test('up takes what was planned, without a line of alarm, and proves the login', async () => {
    const up = await types('up');

    expect(up.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(up.stderr.split('\n').filter((line) => /^(!|✗|warning|waiting|error)/.test(line))).toEqual([]);
    expect(up.stdout).toContain('dashboard   https://netbird.attic.localhost:9443');
    expect(up.stdout).toContain('anna has no passkey yet');
    expect(up.stdout.trimEnd().split('\n').at(-1)).toBe(`next        npm run -s status -- --host ${own}`);
    expect(up.code).toBe(0);
    expect(
      clone.provider
        .records('attic.localhost')
        .filter((one) => one.type === 'A')
        .map((one) => one.name)
        .sort(),
    ).toEqual(['netbird', 'pocketid', 'turn'].map((label) => `${label}.attic.localhost`));
  });

  test('everything that comes after it in the README goes well, too', async () => {
    const again = await types('up');
    const init = await clone.types('init', '--host', own);
    const doctor = await types('doctor');
    const verify = await types('verify');
    const renew = await types('renew', '--now');
    const secrets = await clone.types('secrets', 'list', '--host', own);
    const status = await types('status');

    expect([again.code, again.stdout.trim()]).toEqual([
      0,
      'everything is as wanted: https://netbird.attic.localhost:9443',
    ]);
    expect(init.stderr).toContain('settings.yaml says all of this already');
    expect(init.stdout).toContain('nothing to do');
    expect(init.code).toBe(0);
    expect([doctor.code, doctor.stdout]).toEqual([0, expect.stringMatching(/doctor: \d+ passed, 0 failed/)]);
    expect(verify.stdout + verify.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(verify.code).toBe(0);
    expect([renew.code, renew.stdout + renew.stderr]).toEqual([
      0,
      expect.stringContaining('the new certificate is served'),
    ]);
    expect([secrets.code, secrets.stdout]).toEqual([0, expect.stringContaining(clone.tokenFile)]);
    expect(secrets.stdout).not.toContain((await readFile(clone.tokenFile, 'utf8')).trim());
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('everything is as wanted')]);
  });

  test('down takes it away and keeps the data; status then warns of nothing', async () => {
    const down = await types('down');
    const status = await types('status');

    expect([down.code, down.stdout + down.stderr]).toEqual([0, expect.stringContaining('the data stays')]);
    expect(status.stdout).toContain('none is running');
    expect(status.stdout).not.toContain('warning');
    expect(status.stdout).toContain(`npm run -s up -- --host ${own} takes them`);
  });
});

/** Ports as the folder of SKYLAB has them. */
const ofSkylab = [
  [8443, 'tcp'],
  [1411, 'tcp'],
  [3478, 'udp'],
] as const;
const held = (await Promise.all(ofSkylab.map(async ([port, protocol]) => isFree(port, protocol)))).includes(
  false,
);
const whyNot = 'missing' in pebble ? pebble.missing : held ? 'ports 8443, 1411 or 3478 are held' : undefined;
if (whyNot !== undefined) process.stdout.write(`skipped: SKYLAB beside the sandbox: ${whyNot}\n`);

describe.skipIf(whyNot !== undefined)('SKYLAB beside the sandbox', () => {
  let sandbox: TestHost;
  beforeAll(async () => {
    const hosts = join(clone.folder, 'compose', 'hosts');
    await cp(join(hosts, 'SKYLAB'), join(hosts, skylab), { recursive: true });
    sandbox = await createTestHost('beside');
  });
  afterAll(async () => sandbox.remove());

  /** What the Engine has of a project: containers with their health, ports on this machine, volumes, networks. */
  const seen = async (project: string) => {
    const filter = ['--filter', `label=com.docker.compose.project=${project}`];
    const rows = async (...args: readonly string[]) =>
      (await runProgram('docker', [...args, ...filter])).stdout.split('\n').filter((row) => row !== '');
    const states = await rows('ps', '-a', '--format', '{{.Label "com.docker.compose.service"}} {{.Status}}');
    const published = (await rows('ps', '--format', '{{.Ports}}')).join(', ');
    return {
      healthy: states.filter((row) => /\(healthy\)/.test(row)).map((row) => row.split(' ')[0]),
      others: states.filter((row) => !/\(healthy\)/.test(row)).map((row) => row.split(' ')[0]),
      ports: [...published.matchAll(/127\.0\.0\.1:([\d-]+)->/g)].map((match) => match[1] ?? ''),
      volumes: await rows('volume', 'ls', '--format', '{{.Name}}'),
      networks: await rows('network', 'ls', '--format', '{{.Name}}'),
    };
  };

  test('both come up at the same time, healthy and proven, and share nothing', async () => {
    const flags = [...answers('family.localhost', {}), ...clone.world(skylab), '--host', skylab, '--yes'];
    const filled = await clone.types('init', ...flags);
    expect([filled.code, filled.stderr]).toEqual([0, expect.stringContaining('wrote ')]);

    const [ofHome, ofSandbox] = await Promise.all([clone.types('up', '--host', skylab), sandbox.run(['up'])]);
    expect({ code: ofHome.code, said: ofHome.stderr }).toEqual({
      code: 0,
      said: expect.stringContaining('29 passed, 0 failed, 0 skipped'),
    });
    expect({ code: ofSandbox.code, said: ofSandbox.stderr }).toEqual({
      code: 0,
      said: expect.stringContaining('29 passed, 0 failed, 0 skipped'),
    });
    expect(ofHome.stdout).toContain('sign-on     https://pocketid.family.localhost:8443');
    expect(ofHome.stdout).toContain('https://pocketid.skylab.local:8443 leads to');

    const home = await seen(`skylab-${skylab.toLowerCase()}`);
    const beside = await seen(sandbox.project);
    expect(home.others).toEqual([]);
    expect(beside.others).toEqual(['pebble']);
    expect(beside.healthy).toEqual(expect.arrayContaining(home.healthy));
    // coturn of SKYLAB is in the network of the host: it publishes nothing.
    expect([...home.ports].sort()).toEqual(['1411', '8443']);
    for (const part of ['ports', 'volumes', 'networks'] as const) {
      expect(home[part].length * beside[part].length).toBeGreaterThan(0);
      expect(home[part].filter((one) => beside[part].includes(one))).toEqual([]);
    }
  });

  test('what one of them does leaves the other alone', async () => {
    const down = await sandbox.run(['down']);
    const again = await clone.types('up', '--host', skylab);

    expect(down.code).toBe(0);
    expect([again.code, again.stdout.trim()]).toEqual([
      0,
      'everything is as wanted: https://netbird.family.localhost:8443',
    ]);
  });
});
