import { describe, expect, test } from 'vitest';
import { hostSettings } from '../../../src/settings/schema.ts';
import { configured, evaluate, hasNoNix } from './nix.ts';

/*
 * nixos-host/module.nix on NixOS' options, evaluated by Nix itself, offline. What is true of a running host is in
 * nixos-host/tests/host.nix.
 */

const enabled = '{ services.skylab.enable = true; }';
const withMore = (more: string) => `{ services.skylab.enable = true; ${more} }`;

describe.skipIf(hasNoNix)('a host that imports the module', () => {
  test('is as it was until the module is enabled', async () => {
    const at = async (user: string) =>
      evaluate(`builtins.removeAttrs (host (${user})).config [ "services" "_module" "assertions" ]`);
    const untouched = await at('{ }');

    expect(untouched).toMatchObject({
      virtualisation: { docker: { enable: false } },
      networking: { firewall: { allowedUDPPorts: [] } },
      warnings: [],
    });
    expect(await at(enabled)).not.toEqual(untouched);
  });

  test('has Docker, at boot too, on the release that is maintained, cleaned every week and never of volumes', async () => {
    expect(await configured('virtualisation.docker', enabled)).toEqual({
      enable: true,
      enableOnBoot: true,
      package: '/packages/docker_29',
      logDriver: 'journald',
      daemon: { settings: { 'log-driver': 'journald', 'live-restore': false } },
      autoPrune: { enable: true, dates: 'weekly', flags: [] },
      rootless: { enable: false, setSocketVariable: false },
    });
  });

  test('takes the Docker of the release where that is a later one', async () => {
    expect(
      await configured('virtualisation.docker.package', withMore('system.nixos.release = "26.05";')),
    ).toBe('/packages/docker');
  });

  test.each([
    ['virtualisation.docker.enableOnBoot', 'false', false],
    ['virtualisation.docker.package', '{ type = "derivation"; outPath = "/mine"; }', '/mine'],
    ['virtualisation.docker.autoPrune.enable', 'false', false],
    ['virtualisation.docker.autoPrune.dates', '"monthly"', 'monthly'],
    ['virtualisation.docker.daemon.settings.live-restore', 'true', true],
    ['services.journald.extraConfig', '"SystemMaxUse=5G"', 'SystemMaxUse=5G'],
  ])('leaves %s to whoever sets it', async (path, value, seen) => {
    expect(await configured(path, withMore(`${path} = ${value};`))).toBe(seen);
  });

  test('lets operators into the group docker, and nobody by default', async () => {
    const members = 'users.groups.docker.members';

    expect(await configured(members, enabled)).toEqual([]);
    expect(await configured(members, withMore('services.skylab.operators = [ "ada" ];'))).toEqual(['ada']);
  });

  test.each(['json-file', 'local'])('limits logs in the words of the driver %s', async (driver) => {
    const config = await evaluate(
      `let c = (host (${withMore(`virtualisation.docker.logDriver = "${driver}";`)})).config; in { inherit (c.services.journald) extraConfig; opts = c.virtualisation.docker.daemon.settings.log-opts; }`,
    );

    expect(config).toEqual({ extraConfig: '', opts: { 'max-size': '10m', 'max-file': '3' } });
  });

  test('limits the journal where logs go there, and gives the daemon no option that it would refuse', async () => {
    expect(await configured('services.journald.extraConfig', enabled)).toBe('SystemMaxUse=1G');
    expect(await configured('virtualisation.docker.daemon.settings', enabled)).not.toHaveProperty('log-opts');
  });

  test('sets no limit for a driver that it does not know', async () => {
    const user = withMore('virtualisation.docker.logDriver = "syslog";');

    expect(await configured('services.journald.extraConfig', user)).toBe('');
    expect(await configured('virtualisation.docker.daemon.settings', user)).not.toHaveProperty('log-opts');
  });

  test('opens the UDP ports of coturn and nothing else', async () => {
    const firewall = await configured('networking.firewall', enabled);

    expect(firewall).toMatchObject({
      allowedTCPPorts: [],
      allowedUDPPorts: [3478],
      allowedUDPPortRanges: [{ from: 49_152, to: 49_181 }],
      interfaces: {},
      checkReversePath: true,
    });
  });

  test('opens nothing where coturn is published by Docker', async () => {
    expect(
      await configured('networking.firewall', withMore('services.skylab.turn.openFirewall = false;')),
    ).toMatchObject({ allowedUDPPorts: [], allowedUDPPortRanges: [] });
  });

  test('has the ports that the settings have by default', async () => {
    const turn = (await configured('services.skylab.turn', enabled)) as {
      stunPort: number;
      relayPorts: { from: number; to: number };
    };
    const minimal = {
      domain: 'example.org',
      reachability: { mode: 'lan' },
      certificates: { contact: 'ada@example.org' },
      cloudflare: { token: { env: 'TOKEN' } },
      identity: { admin: { username: 'ada', email: 'ada@example.org', first_name: 'Ada' } },
    };
    const settings = hostSettings.parse(minimal);

    expect(turn.stunPort).toBe(settings.reachability.stun_port);
    expect(turn.relayPorts).toEqual({
      from: settings.turn.relay_ports.min,
      to: settings.turn.relay_ports.max,
    });
  });
});

describe.skipIf(hasNoNix)('a host that joins its own mesh', () => {
  const peer = 'services.skylab.peer.enable = true;';

  test('loads what the client needs of the kernel, and opens its port', async () => {
    const config = await evaluate(
      `let c = (host (${withMore(peer)})).config; in { inherit (c.boot) kernelModules; inherit (c.networking.firewall) allowedUDPPorts checkReversePath; }`,
    );

    expect(config).toEqual({
      kernelModules: ['wireguard', 'tun'],
      allowedUDPPorts: [3478, 51_820],
      checkReversePath: true,
    });
  });

  test('opens chosen ports on the interface of the mesh only', async () => {
    const user = withMore(`${peer} services.skylab.peer.allowedTCPPorts = [ 2283 8096 ];`);

    expect(await configured('networking.firewall', user)).toMatchObject({
      allowedTCPPorts: [],
      interfaces: { wt0: { allowedTCPPorts: [2283, 8096], allowedUDPPorts: [] } },
    });
  });

  test('keeps the managers of networks away from that interface', async () => {
    const user = withMore(`${peer} networking.useNetworkd = true;`);
    const config = await evaluate(
      `let c = (host (${user})).config; in { inherit (c.networking) dhcpcd networkmanager; inherit (c.systemd.network) networks; }`,
    );

    expect(config).toEqual({
      dhcpcd: { denyInterfaces: ['veth*', 'wt0'] },
      networkmanager: { unmanaged: ['interface-name:wt0'] },
      networks: {
        '50-skylab-wt0': {
          matchConfig: { Name: 'wt0' },
          linkConfig: { Unmanaged: true, ActivationPolicy: 'manual' },
        },
      },
    });
  });

  test('takes answers on other interfaces only where it uses routes of others', async () => {
    const user = withMore(`${peer} services.skylab.peer.usesRoutes = true;`);

    expect(await configured('networking.firewall.checkReversePath', user)).toBe('loose');
  });
});

describe.skipIf(hasNoNix)('the units', () => {
  const clone = 'services.skylab.clone = "/srv/skylab-stack"; networking.hostName = "SKYLAB";';

  test('are not there unless they are asked for', async () => {
    expect(await configured('systemd.services', withMore(clone))).toEqual({});
    expect(await configured('systemd.timers', withMore(clone))).toEqual({});
  });

  test('bring the stack up at boot, after Docker and the network, for the named host, installing nothing', async () => {
    const more =
      'services.skylab.up.atBoot = true; services.skylab.user = "ada"; services.skylab.ageKeyFile = "/var/lib/secrets/age.key";';
    const unit = await configured('systemd.services.skylab-up', withMore(clone + more));

    expect(unit).toMatchObject({
      wantedBy: ['multi-user.target'],
      after: ['docker.service', 'network-online.target'],
      environment: { SKYLAB_INSTALL: 'no', SOPS_AGE_KEY_FILE: '/var/lib/secrets/age.key' },
      serviceConfig: {
        Type: 'oneshot',
        User: 'ada',
        WorkingDirectory: '/srv/skylab-stack',
        ExecStart: '/packages/nodejs_22/bin/node /srv/skylab-stack/bin/skylab.mjs up --host SKYLAB',
        Restart: 'on-failure',
        RestartPreventExitStatus: '1 6 64 78',
      },
    });
    expect((unit as { path: unknown }).path).toContain('/packages/docker_29');
  });

  test('renew at the time that is named, and later where the machine was off', async () => {
    const user = withMore(`${clone} services.skylab.timers.renew = { enable = true; dates = "weekly"; };`);

    expect(await configured('systemd.services.skylab-renew', user)).toMatchObject({
      startAt: 'weekly',
      serviceConfig: {
        ExecStart: '/packages/nodejs_22/bin/node /srv/skylab-stack/bin/skylab.mjs renew --host SKYLAB',
      },
    });
    expect(await configured('systemd.timers.skylab-renew.timerConfig.Persistent', user)).toBe(true);
  });
});
