import { describe, expect, test } from 'vitest';
import { configured, evaluate, hasNoNix } from './nix.ts';

/*
 * What the module refuses, and what it warns of.
 */

const withMore = (more: string) => `{ services.skylab.enable = true; ${more} }`;
const failures = async (more: string) => evaluate(`(host (${withMore(more)})).failures`);

const refused: readonly (readonly [what: string, more: string, message: string])[] = [
  ['Docker switched off', 'virtualisation.docker.enable = false;', 'virtualisation.docker.enable is false'],
  [
    'an operator without an account',
    'users.users.ada = { }; services.skylab.operators = [ "ada" "bob" ];',
    'accounts that this host does not have: bob.',
  ],
  [
    'Podman under the name of docker',
    'virtualisation.podman = { enable = true; dockerCompat = true; };',
    "Podman stands in Docker's place",
  ],
  [
    'a rootless Docker that DOCKER_HOST leads to',
    'virtualisation.docker.rootless = { enable = true; setSocketVariable = true; };',
    'a second, rootless Docker',
  ],
  [
    'a log driver that is set twice',
    'virtualisation.docker.daemon.settings.log-driver = "local";',
    'says local, and virtualisation.docker.logDriver says journald',
  ],
  [
    'a cleaning that removes volumes',
    'virtualisation.docker.autoPrune.flags = [ "--all" "--volumes" ];',
    'the weekly cleaning would remove data',
  ],
  [
    'nftables that flush everything',
    'networking.nftables = { enable = true; flushRuleset = true; };',
    "removes Docker's own rules",
  ],
  [
    'a firewall between containers and the world',
    'networking.firewall.filterForward = true;',
    'drops what goes to and from containers',
  ],
  [
    'relay ports the wrong way round',
    'services.skylab.turn.relayPorts = { from = 50000; to = 49000; };',
    'from (50000) comes after to (49000)',
  ],
  [
    'two clients for one interface',
    'services.skylab.peer.enable = true; services.netbird.clients.default.interface = "wt0";',
    'both want the interface wt0',
  ],
  ['a unit without a clone', 'services.skylab.up.atBoot = true;', 'need services.skylab.clone'],
  ['a timer without a clone', 'services.skylab.timers.renew.enable = true;', 'need services.skylab.clone'],
  [
    'a clone in the Nix store',
    'services.skylab.clone = "${builtins.storeDir}/abc-skylab-stack";',
    'is in the Nix store',
  ],
];

describe.skipIf(hasNoNix)('the module refuses', () => {
  test.each(refused)('%s', async (_what, more, message) => {
    expect(await failures(more)).toEqual([expect.stringContaining(message)]);
  });

  test('nothing of what is right', async () => {
    expect(await failures('')).toEqual([]);
    expect(
      await failures(
        `users.users.ada = { };
         services.skylab = {
           operators = [ "ada" ];
           clone = "/srv/skylab-stack";
           up.atBoot = true;
           timers.renew.enable = true;
           peer.enable = true;
         };
         services.netbird.clients.work.interface = "wt1";
         virtualisation.podman.enable = true;
         virtualisation.docker.logDriver = "local";
         networking.nftables.enable = true;`,
      ),
    ).toEqual([]);
  });

  test('for no reason that is not tried here', async () => {
    const count = await evaluate(`builtins.length (host (${withMore('')})).config.assertions`);

    expect(count).toBe(new Set(refused.map(([, , message]) => message)).size);
  });

  test.each([
    ['operators', '"ada"'],
    ['turn.stunPort', '70000'],
    ['turn.relayPorts.from', '"low"'],
    ['peer.interface', '"an interface; rm -rf"'],
    ['clone', '"relative/path"'],
    ['clone', '"/srv/with a space"'],
    ['host', '"../elsewhere"'],
    ['ageKeyFile', './key'],
    ['up.atBoot', '"yes"'],
    ['nodejs', '"node"'],
  ])('%s = %s, by its type', async (option, value) => {
    const path = `services.skylab.${option}`;

    await expect(configured(path, withMore(`${path} = ${value};`))).rejects.toThrow(
      new RegExp(`definition for option .${path.replaceAll('.', '\\.')}.* is not of type`),
    );
  });

  test('an option that does not exist', async () => {
    await expect(
      configured('services.skylab.enable', withMore('services.skylab.domain = "x";')),
    ).rejects.toThrow("`services.skylab.domain' does not exist");
  });
});

describe.skipIf(hasNoNix)('the module warns', () => {
  const warnings = async (more: string) => configured('warnings', withMore(more)) as Promise<string[]>;

  test('that published ports pass by the firewall, and names the setting that answers it', async () => {
    const [warning = '', ...others] = await warnings('');

    expect(others).toEqual([]);
    expect(warning).toContain('pass by the NixOS firewall');
    expect(warning).toContain('reachability.bind');
  });

  test('of that no more where it was read, or where there is no firewall to pass by', async () => {
    expect(await warnings('services.skylab.publishedPortsAreKnown = true;')).toEqual([]);
    expect(await warnings('networking.firewall.enable = false;')).toEqual([]);
  });

  test('that nftables and Docker share the rules', async () => {
    const user = 'services.skylab.publishedPortsAreKnown = true; networking.nftables.enable = true;';

    expect(await warnings(user)).toEqual([expect.stringContaining('systemctl restart docker')]);
  });
});
