import { describe, expect, test } from 'vitest';
import { desiredDns } from '../../../src/dns/desired.ts';
import { chooseHost, hostFolders } from '../../../src/settings/host.ts';
import { loadSettings, parseSettings } from '../../../src/settings/load.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import { filledIn, filledSkylab, settingsOfHost, textOfHost } from '../../support/hosts.ts';

/*
 * The folder of the real host: refused until a person has filled it in, and then as the mission has it.
 */

const refusal = (text: string) => {
  try {
    parseSettings(text, 'settings.yaml');
  } catch (error) {
    if (isStackError(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('SKYLAB before it is filled in', () => {
  test('is refused with one error that names each place and what to write there', () => {
    const { code, message, hint } = refusal(textOfHost('SKYLAB'));

    expect(`${code}\n${message}\n${hint}`).toMatchInlineSnapshot(`
      "SETTINGS_PLACEHOLDER
      settings.yaml: 5 values are still to be filled in
        domain: your domain at Cloudflare, such as example.org
        reachability/bind: the address of this server in your network, such as 192.168.1.10; see: ip -brief address
        identity/admin/username: a sign-in name, such as anna
        identity/admin/email: the e-mail address of that person
        identity/admin/first_name: the first name of that person
      npm run init asks for them; or write them into settings.yaml, in place of the text in angle brackets"
    `);
  });

  test('names each place by its path, so that a person can fill in one after the other', () => {
    const places = refusal(textOfHost('SKYLAB')).data['places'] as readonly { path: string }[];

    expect(places.map(({ path }) => path)).toEqual(Object.keys(filledIn));
  });

  test('says the command that fills in this host', async () => {
    const chosen = { name: 'SKYLAB', because: '--host says so', folder: 'compose/hosts/SKYLAB' };

    await expect(loadSettings(chosen, '.', {})).rejects.toMatchObject({
      code: 'SETTINGS_PLACEHOLDER',
      hint: expect.stringMatching(/^npm run init asks for them; /) as string,
    });
  });

  test('says what is left before it says what else is wrong, also inside lists', () => {
    const half = `${filledSkylab()}colour: red\nidentity2: [{ email: "<an e-mail address>" }]\n`;

    expect(refusal(half).message).toBe(
      'settings.yaml: one value is still to be filled in\n  identity2/0/email: an e-mail address',
    );
  });
});

describe('SKYLAB, filled in', () => {
  const settings = settingsOfHost('SKYLAB', filledSkylab());

  test('has the names, paths and ports of the mission', () => {
    const { addresses, paths, identity, cloudflare, mesh } = settings;

    expect(addresses).toMatchObject({
      mesh: 'netbird.example.org',
      meshUrl: 'https://netbird.example.org:8443',
      issuer: 'https://pocketid.example.org:8443',
      identityLoopback: 'http://127.0.0.1:1411',
    });
    expect(paths.netbirdData).toBe('/var/lib/netbird');
    expect(mesh.store).toBe('sqlite');
    expect(identity.loopback_port).toBe(1411);
    expect(cloudflare.token).toEqual({ sops: 'secrets/secrets.yaml', key: 'acme/cloudflare_token' });
  });

  test('uses neither of the ports that are closed at the router, and publishes at one address only', () => {
    const { reachability, turn } = settings;

    expect(reachability).toEqual({
      mode: 'port',
      port: 8443,
      stun_port: 3478,
      address: 'auto',
      bind: '192.168.1.10',
    });
    expect(turn.network).toBe('host');
    expect(desiredDns(settings, false).address).toEqual({ from: 'internet' });
  });

  test('shares no project, place, port or network with the sandbox, so that both run on one machine', () => {
    const sandbox = settingsOfHost('sandbox', textOfHost('sandbox'));
    const portsOf = ({ reachability, identity, turn }: typeof settings) => {
      const { min, max } = turn.relay_ports;
      const relay = Array.from({ length: max - min + 1 }, (_, index) => min + index);
      return [reachability.port, reachability.stun_port, identity.loopback_port, ...relay];
    };

    expect(portsOf(settings).filter((port) => portsOf(sandbox).includes(port))).toEqual([]);
    const places = Object.values(sandbox.paths);
    expect(Object.values(settings.paths).filter((path) => places.includes(path))).toEqual([]);
    expect([settings.project, settings.network.subnet]).toEqual(['skylab-skylab', '172.30.77.0/24']);
    expect([sandbox.project, sandbox.network.subnet]).toEqual(['skylab-sandbox', '172.31.77.0/24']);
  });

  test.each(['SKYLAB', 'skylab', 'Skylab.lan'])('is the host of a machine called %s', async (machine) => {
    const chosen = chooseHost({ machine }, await hostFolders('compose/hosts'), 'compose/hosts');

    expect(chosen.name).toBe('SKYLAB');
  });
});

describe('the folder that explains', () => {
  test.each(['example', 'Example'])('is no host when it is named as %s', async (flag) => {
    const folders = await hostFolders('compose/hosts');

    expect(() => chooseHost({ flag, machine: 'x' }, folders, 'compose/hosts')).toThrow(
      expect.objectContaining({
        code: 'SETTINGS_MISSING',
        hint: 'npm run -s init -- --host <name> makes the folder of a host; or copy compose/hosts/example under its name',
      }) as Error,
    );
  });

  test('is not used by a machine of that name', async () => {
    const folders = await hostFolders('compose/hosts');

    expect(chooseHost({ machine: 'example' }, folders, 'compose/hosts').name).toBe('sandbox');
  });
});
