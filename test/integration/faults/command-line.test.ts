import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestHost, type TestHost } from '../../support/host.ts';
import { complaint, withoutVariables } from './support.ts';

/*
 * What is wrong before anything is looked at: the command line, the host's folder, its settings.
 */

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('line');
});
afterAll(async () => host.remove());

const json = (of: TestHost, stdout: string): unknown => JSON.parse(withoutVariables(of, stdout));

describe('the settings', () => {
  let broken: TestHost;
  beforeAll(async () => {
    broken = await createTestHost('settings');
  });
  afterAll(async () => broken.remove());
  const write = async (edit: (settings: Record<string, unknown>) => void) => {
    await broken.change(edit);
  };

  test('an unknown setting is named with its path, and nothing is made', async () => {
    await write((settings) => {
      settings['reachability'] = { ...(settings['reachability'] as object), prot: 1 };
    });
    const up = await broken.run(['up']);

    expect(up.code).toBe(78);
    expect(up.stdout).toBe('');
    expect(complaint(broken, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_INVALID]: <settings file>: one problem
        reachability/prot: is not a known setting
        fix: edit <settings file>; docs/settings.md describes every setting
        see: docs/errors.md#settings_invalid"
    `);
    expect(existsSync(broken.state)).toBe(false);
  });

  test('every problem of a file is said at once, each with its path', async () => {
    await write((settings) => {
      settings['domain'] = 'Not A Domain';
      settings['reachability'] = { mode: 'port', port: 'https', colour: 'red' };
      settings['network'] = { subnet: '10.0.0.0/8' };
      settings['identity'] = { admin: { username: 'a b', email: 'nobody', first_name: '' } };
      settings['cloudflare'] = { token: { file: 7 } };
      settings['nonsense'] = true;
    });
    const up = await broken.run(['up']);

    expect(up.code).toBe(78);
    expect(complaint(broken, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_INVALID]: <settings file>: 9 problems
        domain: is not a host name (such as example.org: lower case, without https:// and without a port)
        reachability/port: is a string, wanted a number
        reachability/colour: is not a known setting
        cloudflare/token/file: is a number, wanted a string
        identity/admin/username: is not a user name that Pocket ID takes
        identity/admin/email: is not an e-mail address
        identity/admin/first_name: is empty
        network/subnet: is not an IPv4 subnet of /16 to /27 such as 172.30.7.0/24
        nonsense: is not a known setting
        fix: edit <settings file>; docs/settings.md describes every setting
        see: docs/errors.md#settings_invalid"
    `);
  });

  test('what contradicts itself is said with its path', async () => {
    const other = await createTestHost('contradiction');
    await other.change((settings) => {
      settings['domain'] = 'example.org';
      settings['names'] = { mesh: 'one', identity: 'one' };
      settings['reachability'] = { mode: 'public', port: 8443 };
      settings['identity'] = {
        admin: { username: 'a1', email: 'a@example.org', first_name: 'A' },
        people: [{ username: 'A1', email: 'b@example.org', first_name: 'B', groups: ['nowhere'] }],
      };
    });
    const up = await other.run(['up']);
    await other.remove();

    expect(up.code).toBe(78);
    expect(complaint(other, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_INVALID]: <settings file>: 6 problems
        names: are not three different names
        images/stand_ins: stand-ins are for domains under .localhost only
        cloudflare/token: a token does not belong into this file; use {sops, key}, {file} or {env}
        reachability/port: mode public means port 443; use mode port for another one
        identity/people/0/groups: names the group "nowhere", which is not declared
        identity/people: name the same username twice
        fix: edit <settings file>; docs/settings.md describes every setting
        see: docs/errors.md#settings_invalid"
    `);
  });

  test('a name that the databases of the stack use is refused as the settings are', async () => {
    const other = await createTestHost('names');
    await other.change((settings) => {
      settings['postgres'] = { databases: [{ name: 'pocketid' }] };
    });
    const up = await other.run(['up']);
    await other.remove();

    expect(up.code).toBe(78);
    expect(complaint(other, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_INVALID]: postgres/databases: the name "pocketid" is not free
        fix: choose another one; this stack or PostgreSQL itself uses pocketid
        see: docs/errors.md#settings_invalid"
    `);
  });

  test('a file that is no YAML is said with its line', async () => {
    await writeFile(broken.settingsFile, 'domain: a.localhost\n  reachability: [\n');
    const up = await broken.run(['up']);

    expect(up.code).toBe(78);
    expect(complaint(broken, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_INVALID]: <settings file>: 3 problems
        Nested mappings are not allowed in compact mappings at line 1, column 9
        Implicit keys need to be on a single line at line 1, column 9
        Flow sequence in block collection must be sufficiently indented and end with a ] at line 3, column 1
        fix: edit <settings file>; docs/settings.md describes every setting
        see: docs/errors.md#settings_invalid"
    `);
  });

  test('with --json the same comes as one document on stdout', async () => {
    await writeFile(broken.settingsFile, 'domain: a.localhost\nnonsense: 1\n');
    const up = await broken.run(['status', '--json']);

    expect(up.code).toBe(78);
    expect(json(broken, up.stdout)).toMatchInlineSnapshot(`
      {
        "error": {
          "code": "SETTINGS_INVALID",
          "data": {
            "file": "<settings file>",
            "problems": [
              "reachability: is missing, wanted a section",
              "certificates: is missing, wanted a section",
              "cloudflare: is missing, wanted a section",
              "identity: is missing, wanted a section",
              "nonsense: is not a known setting",
            ],
          },
          "fix": "edit <settings file>; docs/settings.md describes every setting",
          "message": "<settings file>: 5 problems
        reachability: is missing, wanted a section
        certificates: is missing, wanted a section
        cloudflare: is missing, wanted a section
        identity: is missing, wanted a section
        nonsense: is not a known setting",
        },
      }
    `);
  });
});

describe('the host', () => {
  test('a named host without a folder is never the sandbox', async () => {
    const up = await host.run(['up', '--host', 'elsewhere']);

    expect(up.code).toBe(78);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_MISSING]: there is no folder for the host "elsewhere" (--host says so)
        fix: npm run -s init -- --host elsewhere makes one; or name one of: <host>
        see: docs/errors.md#settings_missing"
    `);
  });

  test('every command in what is said names the host that --host named; what the environment named stays there', async () => {
    const noEngine = { DOCKER_HOST: `unix://${host.folder}/no-engine.sock` };
    const named = { ...noEngine, STACK_HOST: '' };
    const [planned, proof, document, inShell] = await Promise.all([
      host.run(['plan', '--host', host.name], named),
      host.run(['verify-tls', '--host', host.name], named),
      host.run(['doctor', '--host', host.name, '--json'], named),
      host.run(['plan'], noEngine),
    ]);

    expect(planned.stdout).toContain(`steps; npm run -s up -- --host ${host.name} takes them`);
    expect(proof.stderr).toContain(`fix: npm run -s up -- --host ${host.name} starts nginx`);
    expect(document.stdout).toContain(`npm run -s doctor -- --host ${host.name}, and read the line engine`);
    for (const { stdout, stderr } of [planned, proof, document])
      expect(stdout + stderr).not.toMatch(/npm run (?!-s [a-z-]+ -- --host)/);
    expect(inShell.stdout).toContain('steps; npm run up takes them');
  });

  test('a folder without settings says what belongs there', async () => {
    await mkdir(join(host.folder, 'hosts', 'empty'), { recursive: true });
    const up = await host.run(['plan', '--json'], { STACK_HOST: 'empty' });

    expect(up.code).toBe(78);
    expect(json(host, up.stdout)).toMatchInlineSnapshot(`
      {
        "error": {
          "code": "SETTINGS_MISSING",
          "data": {
            "file": "<folder>/hosts/empty/settings.yaml",
          },
          "fix": "npm run init writes it; or copy compose/hosts/example/settings.yaml there",
          "message": "there is no <folder>/hosts/empty/settings.yaml",
        },
      }
    `);
  });

  test('a folder whose name cannot be that of a Compose project is said', async () => {
    const folder = join(host.folder, 'hosts', 'my.host');
    await mkdir(folder, { recursive: true });
    await copyFile(host.settingsFile, join(folder, 'settings.yaml'));
    const up = await host.run(['up', '--host', 'my.host']);

    expect(up.code).toBe(78);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_INVALID]: the folder of the host "my.host" has a name that Docker does not take
        fix: rename <folder>/hosts/my.host: letters, digits, - and _
        see: docs/errors.md#settings_invalid"
    `);
  });

  test('a folder of hosts that is not there is an error about it', async () => {
    const up = await host.run(['up'], { SKYLAB_HOSTS: join(host.folder, 'nowhere') });

    expect(up.code).toBe(78);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SETTINGS_MISSING]: the folder of hosts <folder>/nowhere cannot be read (ENOENT)
        fix: unset SKYLAB_HOSTS, or let it name a folder with one folder for each host
        see: docs/errors.md#settings_missing"
    `);
  });
});

describe('the command line', () => {
  test('a flag that does not exist ends with 64 and the nearest one', async () => {
    const typed = await host.run(['up', '--adpot']);

    expect(typed.code).toBe(64);
    expect(complaint(host, typed)).toMatchInlineSnapshot(`
      "error[USAGE]: unknown option '--adpot'
        fix: did you mean --adopt? npx skylab --help shows what there is
        see: docs/errors.md#usage"
    `);
  });

  test('a verb that does not exist ends with 64 and the nearest one', async () => {
    const typed = await host.run(['stauts']);

    expect(typed.code).toBe(64);
    expect(complaint(host, typed)).toMatchInlineSnapshot(`
      "error[USAGE]: unknown command 'stauts'
        fix: did you mean status? npx skylab --help shows what there is
        see: docs/errors.md#usage"
    `);
  });

  test('a word too many ends with 64', async () => {
    const typed = await host.run(['up', 'now']);

    expect(typed.code).toBe(64);
    expect(complaint(host, typed)).toMatchInlineSnapshot(`
      "error[USAGE]: too many arguments for 'up'. Expected 0 arguments but got 1
        fix: npx skylab --help shows what there is
        see: docs/errors.md#usage"
    `);
  });

  test('a flag without its value ends with 64', async () => {
    const typed = await host.run(['up', '--host']);

    expect(typed.code).toBe(64);
    expect(complaint(host, typed)).toMatchInlineSnapshot(`
      "error[USAGE]: option '--host <name>' argument missing
        fix: npx skylab --help shows what there is
        see: docs/errors.md#usage"
    `);
  });

  test('no verb at all shows what there is', async () => {
    const typed = await host.run([]);

    expect(typed.code).toBe(64);
    expect(typed.stderr).toContain('Usage: skylab');
  });

  test('a number that is none ends with 64', async () => {
    const typed = await host.run(['logs', '--lines', 'many']);

    expect(typed.code).toBe(64);
    expect(complaint(host, typed)).toMatchInlineSnapshot(`
      "error[USAGE]: --lines "many" is not a number from 1 to 10000
        fix: npm run -s logs -- --lines 200
        see: docs/errors.md#usage"
    `);
  });

  test('with --json a wrong flag is one document too', async () => {
    const typed = await host.run(['status', '--json', '--adpot']);

    expect(typed.code).toBe(64);
    expect(json(host, typed.stdout)).toMatchInlineSnapshot(`
      {
        "error": {
          "code": "USAGE",
          "data": {},
          "fix": "npx skylab --help shows what there is",
          "message": "unknown option '--adpot'",
        },
      }
    `);
  });
});
