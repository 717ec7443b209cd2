import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/engine.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * The whole walk with a real Engine: up, plan, status, verify, down, up again.
 */

const privateName = 'pocketid.skylab.home.arpa';
let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('walk', { private_names: { [privateName]: 'identity' } });
});
afterAll(async () => host.remove());

describe('the whole walk', () => {
  test('plan on an empty host lists the whole run, and changes nothing', async () => {
    const planned = await host.run(['plan', '--json']);

    expect(planned.code).toBe(2);
    const { steps } = JSON.parse(planned.stdout) as { steps: { step: { id: string; why: string } }[] };
    const ids = steps.map((one) => one.step.id);
    for (const id of [
      'make secrets',
      'create client netbird',
      'make the administrator owner of the mesh',
      'make the local CA',
      `issue certificate for ${privateName}`,
      'await nginx reload',
    ]) {
      expect(ids).toContain(id);
    }
    expect(steps.filter((one) => one.step.why === '')).toEqual([]);
    const found = await runProgram('docker', [
      'ps',
      '-aq',
      '--filter',
      `label=com.docker.compose.project=${host.project}`,
    ]);
    expect(found.stdout).toBe('');
  });

  test('up brings everything up and proves the login', async () => {
    const up = await host.run(['up']);

    // Nothing fails on the way, not even for a moment, and nobody is warned.
    expect(up.stderr).not.toMatch(/^(!|✗|warning|waiting)/m);
    expect(up.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(up.stdout).toContain(`https://netbird.skylab.localhost:${host.ports.https}`);
    expect(up.stdout).toContain('/lc/');
    expect(up.stdout).toContain(`https://${privateName}:${host.ports.https} leads to https://pocketid.`);
    expect(up.code).toBe(0);
  });

  test('a second up takes no step, and plan has nothing to do', async () => {
    const again = await host.run(['up', '--json']);
    const planned = await host.run(['plan']);

    const events = again.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; ran?: number });
    expect(events.filter((event) => event.type === 'started' || event.type === 'effect')).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: 'end', exitCode: 0, ran: 0 });
    expect([planned.code, planned.stdout.trim()]).toEqual([0, 'nothing to do']);
  });

  test('status says what is real and what stands in', async () => {
    const { code, stdout } = await host.run(['status', '--json']);

    const status = JSON.parse(stdout) as {
      services: { service: string; state: string; kind: string }[];
      open: unknown[];
    };
    expect(code).toBe(0);
    expect(status.services.map((one) => one.state)).toEqual(status.services.map(() => 'healthy'));
    expect(status.services.find((one) => one.service === 'pocket-id')?.kind).toMatch(/^(stand-in|upstream)$/);
    expect(status.open).toEqual([]);
  });

  test('verify-tls and verify-oidc pass, and leave nothing behind', async () => {
    const tls = await host.run(['verify-tls', '--json']);
    const oidc = await host.run(['verify-oidc', '--json']);

    for (const { code, stdout } of [tls, oidc]) {
      const report = JSON.parse(stdout) as { checks: { id: string; status: string }[] };
      expect(report.checks.filter((check) => check.status !== 'passed')).toEqual([]);
      expect(report.checks.length).toBeGreaterThan(15);
      expect(code).toBe(0);
    }
    for (const id of [`tls.chain.${privateName}`, `private.redirect.${privateName}`, 'private.ca-limits'])
      expect(tls.stdout).toContain(`"${id}"`);
  });

  test('no secret appears in any output, nor in what inspect shows', async () => {
    const outputs = await Promise.all(
      [['status'], ['plan'], ['logs', '--lines', '500'], ['up', '--verbose']].map(async (args) =>
        host.run(args),
      ),
    );
    const containers = await runProgram('docker', [
      'ps',
      '-aq',
      '--filter',
      `label=com.docker.compose.project=${host.project}`,
    ]);
    const inspected = await runProgram('docker', ['inspect', ...containers.stdout.trim().split('\n')]);
    const text = [inspected.stdout, ...outputs.flatMap((one) => [one.stdout, one.stderr])].join('\n');
    const names = (await runProgram('ls', [join(host.state, 'secrets')])).stdout.trim().split('\n');
    const secrets = names.filter((name) => !name.startsWith('id-'));

    expect(secrets.length).toBeGreaterThan(6);
    const shown: string[] = [];
    for (const name of secrets) {
      const value = (await readFile(join(host.state, 'secrets', name), 'utf8')).trim();
      // Inspect is JSON: a key of several lines would stand there with its line breaks escaped.
      const forms = [value, JSON.stringify(value).slice(1, -1)];
      if (forms.some((form) => text.includes(form))) shown.push(name);
    }
    expect(shown).toEqual([]);
  });

  test('down takes the containers away; up brings back the same people and clients', async () => {
    const down = await host.run(['down']);
    const left = await runProgram('docker', [
      'ps',
      '-aq',
      '--filter',
      `label=com.docker.compose.project=${host.project}`,
    ]);
    expect([down.code, left.stdout]).toEqual([0, '']);

    const up = await host.run(['up', '--json']);

    const events = up.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; area?: string; step?: { id: string } });
    const ran = events.filter((event) => event.type === 'done');
    expect(
      ran.filter((event) => event.area === 'oidc' || event.area === 'netbird').map((event) => event.step?.id),
    ).toEqual([]);
    expect(up.code).toBe(0);
  });

  test('down --volumes removes what was named, and nothing before that or besides', async () => {
    const volume = `${host.project}_postgres`;
    const mesh = join(host.folder, 'state', 'netbird-standin');
    const sql = ['exec', '-u', 'postgres', `${host.project}-postgres-1`, 'psql', '-U', 'postgres', '-c'];
    await runProgram('docker', [...sql, 'CREATE DATABASE photos']);
    const down = async (...args: readonly string[]) => host.run(['down', '--volumes', ...args]);
    const isThere = async () => (await runProgram('docker', ['volume', 'inspect', volume])).code === 0;

    const listed = await down();
    const unknown = await down('other_postgres', '--yes');
    const ofOthers = await down(volume, '--yes');
    const unsure = await down(`${volume},${mesh}`, '--databases', 'photos');
    const services = JSON.parse((await host.run(['status', '--json'])).stdout) as { services: unknown[] };

    expect([listed.code, unknown.code, ofOthers.code, unsure.code]).toEqual([6, 64, 3, 6]);
    expect(listed.stderr).toContain(`volume  ${volume}  (every database`);
    expect(ofOthers.stderr).toContain(
      'databases of other services are in PostgreSQL: photos; nothing was removed',
    );
    expect(unsure.stderr).toContain('to be removed, with all that is in it:');
    expect(services.services.length).toBeGreaterThan(8);

    const removed = await down(`${volume},${mesh}`, '--databases', 'photos', '--yes');

    expect(removed.code).toBe(0);
    expect([await isThere(), existsSync(mesh)]).toEqual([false, false]);
    expect(existsSync(join(host.state, 'secrets', 'pocket-id-encryption-key'))).toBe(true);
    expect(existsSync(join(host.state, 'certificates'))).toBe(true);

    expect((await host.run(['up'])).stderr).toContain('29 passed, 0 failed, 0 skipped');
  });

  test('behind another nginx, up says what that one has to be given; then all is proven through it', async () => {
    const name = `${host.project}-other`;
    const isRoot = process.getuid?.() === 0;
    // Where root runs the test the other nginx is neither our user nor in our group, as on a real host.
    const group = isRoot ? 4242 : process.getgid?.();
    await host.change((settings) => {
      settings['ingress'] = { mode: 'behind', group };
    });
    const front = `${host.state}-front`;

    const first = await host.run(['up']);

    expect(first.stderr).toContain('error[INGRESS_NOT_FRONTED]');
    expect(first.stderr).toContain(`sudo ln -s ${front}/${host.project}.conf /etc/nginx/sites-enabled/`);
    expect(first.code).toBe(3);

    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (part) => `${part}_temp_path /tmp/${part};`,
    );
    const text = `pid /tmp/pid; events {} http { ${temporary.join(' ')} include ${front}/*.conf; }`;
    const file = join(host.folder, 'other.conf');
    await writeFile(file, text, { mode: 0o644 });
    const images = await runProgram('docker', ['images', 'skylab-local/nginx', '--format', '{{.ID}}']);
    const options = ['--network', 'host', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL'];
    const mounts = ['-v', `${front}:${front}:ro`, '-v', `${file}:/other.conf:ro`];
    const user = ['--user', isRoot ? `65534:${group}` : `${process.getuid?.()}:${group}`];
    const command = ['-e', 'stderr', '-c', '/other.conf', '-g', 'daemon off;'];
    try {
      const image = images.stdout.split('\n')[0] ?? '';
      const what = [...options, ...user, ...mounts, '--entrypoint', 'nginx', image];
      const begun = await runProgram('docker', ['run', '-d', '--name', name, ...what, ...command]);
      expect(begun).toMatchObject({ code: 0 });

      const up = await host.run(['up']);
      const tls = await host.run(['verify-tls', '--json']);
      const oidc = await host.run(['verify-oidc', '--json']);
      const planned = await host.run(['plan']);

      expect([up.code, up.stderr]).toEqual([0, expect.not.stringContaining('error[')]);
      for (const { code, stdout } of [tls, oidc]) {
        const report = JSON.parse(stdout) as { checks: { id: string; status: string }[] };
        expect(report.checks.filter((check) => check.status !== 'passed')).toEqual([]);
        expect(code).toBe(0);
      }
      expect(planned.stdout.trim()).toBe('nothing to do');

      // The renewer, who has no rights, gives a new copy to the other nginx by itself.
      const copy = join(front, 'certificate.pem');
      await rm(copy);
      await runProgram('docker', ['restart', `${host.project}-certs-1`]);
      const seen = await until(
        'the copy is back',
        60_000,
        async () => stat(copy).catch(() => undefined),
        (found) => found !== undefined,
      );
      expect([seen?.gid, (seen?.mode ?? 0) & 0o777]).toEqual([group, 0o640]);
    } finally {
      await runProgram('docker', ['rm', '-f', name]);
    }
  });
});
