import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/*
 * The steps towards an Engine with programs on PATH that write down how they were called, and act as the test says.
 */

interface Ended {
  readonly code: number;
  readonly said: string;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-bin-'));
  for (const name of ['bin', 'apt/sources.list.d', 'apt/preferences.d'])
    await mkdir(join(folder, name), { recursive: true });
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

/** Puts a program on PATH that notes its arguments and then does what the shell lines say. */
const program = async (name: string, lines: string): Promise<void> => {
  const path = join(folder, 'bin', name);
  await writeFile(path, `#!/bin/sh\necho "${name} $*" >>"${join(folder, 'calls')}"\n${lines}\n`);
  await chmod(path, 0o755);
};
const calls = async (): Promise<readonly string[]> =>
  (await readFile(join(folder, 'calls'), 'utf8').catch(() => '')).trim().split('\n');

/** Runs a module script with the fakes in front of PATH; a Stop ends it as it ends the real thing. */
const runScript = async (text: string): Promise<Ended> => {
  const script = [
    `import { explain } from '${process.cwd()}/bin/lib/say.mjs';`,
    `const folder = '${folder}';`,
    `try { ${text} } catch (error) { process.exitCode = explain(error); }`,
  ].join('\n');
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}` };
    const args = ['--input-type=module', '--eval', script];
    execFile(process.execPath, args, { env, timeout: 60_000 }, (error, _stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, said: stderr });
    });
  });
};

describe('installing packages', () => {
  const wanted = ['docker.io/trixie', 'mmdebstrap'];
  const install = async () =>
    runScript(
      `const { install } = await import('${process.cwd()}/bin/lib/apt.mjs');` +
        `install(${JSON.stringify(wanted)}, { release: 'trixie', codename: 'bookworm' }, folder + '/apt');`,
    );
  const mirror = async () =>
    writeFile(
      join(folder, 'apt', 'sources.list.d', 'debian.sources'),
      'Types: deb\nURIs: http://deb.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n',
    );
  /** What apt-get does when it simulates. */
  const apt = async (simulation: string) =>
    program('apt-get', `case "$*" in *" -s "*) ${simulation} ;; esac`);

  test('simulates the very call, then makes it, from the mirror that the system uses', async () => {
    await mirror();
    await apt('echo "Inst docker.io (26.1.5 Debian:13 [amd64])"');

    const ended = await install();

    expect(ended).toMatchObject({ code: 0 });
    const common = 'apt-get -q -o DPkg::Lock::Timeout=120';
    expect(await calls()).toEqual([
      `${common} update`,
      `${common} -s install --no-install-recommends docker.io/trixie mmdebstrap`,
      `${common} install --no-install-recommends --no-remove -y docker.io/trixie mmdebstrap`,
    ]);
    expect(await readFile(join(folder, 'apt/sources.list.d/skylab-trixie.sources'), 'utf8')).toBe(
      'Types: deb\nURIs: http://deb.example/debian\nSuites: trixie\nComponents: main\n' +
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n',
    );
    expect(await readFile(join(folder, 'apt/preferences.d/skylab-trixie'), 'utf8')).toBe(
      'Package: *\nPin: release n=trixie\nPin-Priority: 100\n',
    );
    expect(ended.said).toContain('skylab-trixie: priority 100');
  });

  test.each([
    ['upgraded', 'echo "Inst libc6 [2.36] (2.41 Debian:13 [amd64])"', 'upgrade libc6'],
    ['removed', 'echo "Remv podman [4.3.1]"', 'remove podman'],
  ])(
    'does nothing where anything would be %s, and takes its source back',
    async (_what, simulation, line) => {
      await mirror();
      await apt(simulation);

      const ended = await install();

      expect(ended.code).toBe(3);
      expect(ended.said).toContain(
        `error[ENGINE_MISSING]: apt would change what is installed, so nothing was done:\n  ${line}\n`,
      );
      expect(await calls()).toHaveLength(2);
      expect(await readdir(join(folder, 'apt/sources.list.d'))).toEqual(['debian.sources']);
      expect(await readdir(join(folder, 'apt/preferences.d'))).toEqual([]);
    },
  );

  test('does nothing where what it would get is too old', async () => {
    await mirror();
    await apt('echo "Inst docker.io (20.10.24 Debian:12 [amd64])"');

    const ended = await install();

    expect(ended.said).toContain('docker.io 20.10.24, wanted is 25 or later');
    expect(await calls()).toHaveLength(2);
  });

  test('writes no source where the release is known already', async () => {
    await writeFile(join(folder, 'apt', 'sources.list'), 'deb http://deb.example/debian trixie main\n');
    await apt('true');

    expect(await install()).toMatchObject({ code: 0 });
    expect(await readdir(join(folder, 'apt/sources.list.d'))).toEqual([]);
  });

  test('says what apt says where a package cannot be had', async () => {
    await mirror();
    await apt('echo "E: Unable to locate package docker.io" >&2; exit 100');

    const ended = await install();

    expect(ended.code).toBe(3);
    expect(ended.said).toContain('E: Unable to locate package docker.io');
    expect(await readdir(join(folder, 'apt/preferences.d'))).toEqual([]);
  });

  test('stops where the sources name no mirror', async () => {
    await writeFile(join(folder, 'apt', 'sources.list'), 'deb cdrom:[Debian]/ bookworm main\n');
    await apt('true');

    const ended = await install();

    expect(ended.said).toContain('name no mirror of bookworm');
    expect(await calls()).toEqual(['']);
  });
});

describe('starting the Engine', () => {
  /** A daemon that answers at the socket with a version until it is ended. */
  const daemon = `exec '${process.execPath}' -e '
    const server = require("http").createServer((_request, response) => response.end("{\\"Version\\":\\"26.1.5\\"}"));
    server.listen(process.env.SOCKET);
    setTimeout(() => process.exit(), 10000);
  '`;
  const start = async (init: string) =>
    runScript(
      `process.env.SOCKET = folder + '/docker.sock';` +
        `const { startEngine } = await import('${process.cwd()}/bin/lib/daemon.mjs');` +
        `console.error('version ' + await startEngine(process.env.SOCKET, '${init}', process.env, folder + '/log'));`,
    );

  test('goes through systemd where it runs', async () => {
    await program('systemctl', `(${daemon}) >/dev/null 2>&1 &`);

    const ended = await start('systemd');

    expect(ended).toMatchObject({ code: 0, said: '  systemctl enable --now docker\nversion 26.1.5\n' });
    expect(await calls()).toEqual(['systemctl enable --now docker']);
  });

  test('starts the daemon by itself where there is no init system, and says where its log is', async () => {
    await program('dockerd', daemon);

    const ended = await start('none');

    expect(ended.code).toBe(0);
    expect(ended.said).toContain(`its log is ${folder}/log`);
    expect(ended.said).toContain('version 26.1.5');
  });

  test('says what a daemon said that ends at once, without waiting', async () => {
    await program('dockerd', 'echo "failed to mount overlay: operation not permitted" >&2; exit 1');
    const beganAtMs = Date.now();

    const ended = await start('none');

    expect(ended.code).toBe(3);
    expect(ended.said).toContain(
      'error[ENGINE_UNREACHABLE]: the Docker Engine did not start: dockerd ended at once (1)\nfailed to mount overlay: operation not permitted\n',
    );
    expect(Date.now() - beganAtMs).toBeLessThan(20_000);
  });
});
