import { createServer } from 'node:net';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseSettings } from '../../../src/settings/load.ts';
import { tokens } from '../../support/cloudflare.ts';
import { createFirstTime, type FirstTime } from './support.ts';

/*
 * init where nobody can be asked: every answer is a flag.
 */

let machine: FirstTime;
beforeAll(async () => {
  machine = await createFirstTime({ publicAddress: '100.64.3.4' });
});
afterAll(async () => machine.remove());
beforeEach(async () => {
  await rm(machine.hosts, { recursive: true });
  await mkdir(machine.hosts);
});

/** Flags with some of their values exchanged. */
const answering = (more: Readonly<Record<string, string>>): readonly string[] =>
  machine.answers.map((word, index) => more[machine.answers[index - 1] ?? ''] ?? word);

interface Told {
  readonly host: string;
  readonly written: boolean;
  readonly checks: readonly { readonly id: string; readonly status: string; readonly detail: string }[];
}

const told = (stdout: string): Told => JSON.parse(stdout) as Told;
const statuses = (stdout: string): Readonly<Record<string, string>> =>
  Object.fromEntries(told(stdout).checks.map(({ id, status }) => [id, status]));

describe('the answers', () => {
  test('that are missing are all named in one error, and nothing is written', async () => {
    const { code, stderr } = await machine.run(['--domain', 'skylab.test', '--token', 'file']);

    expect(code).toBe(64);
    expect(stderr.slice(stderr.indexOf('error['))).toMatchInlineSnapshot(`
      "error[USAGE]: 6 answers are missing, and there is no terminal to ask at
        --admin-username <name>: sign-in name of the first administrator
        --admin-first-name <name>: the administrator's first name
        --admin-email <address>: the administrator's e-mail address
        --reach <how>: from where devices reach this server: lan, port or public
        --front-door <who>: who holds the port: own or behind
        --token-file <path>: with --token file: the file that has it
        fix: add after npm run -s init -- what is missing: --admin-username <name> --admin-first-name <name> --admin-email <address> --reach <how> --front-door <who> --token-file <path>
        see: docs/errors.md#usage
      "
    `);
    expect(await machine.written()).toEqual([]);
  });

  test('that are wrong are all named in one error, each with what is wrong', async () => {
    const { code, stderr } = await machine.run(
      answering({
        '--domain': 'No Domain',
        '--reach': 'moon',
        '--port': 'eighty',
        '--admin-email': 'nobody',
      }),
    );

    expect(code).toBe(64);
    expect(stderr.slice(stderr.indexOf('error['))).toMatchInlineSnapshot(`
      "error[USAGE]: --domain "No Domain" is not a host name (such as example.org: lower case, without https:// and without a port)
      --admin-email "nobody" is not an e-mail address
      --reach "moon" is not lan, port or public
      --port "eighty" is a string, wanted a number
        fix: mend those flags; npm run -s init -- --help says what each is
        see: docs/errors.md#usage
      "
    `);
    expect(await machine.written()).toEqual([]);
  });

  test.each([
    [['--set', 'mesh'], 'is not path=value'],
    [['--host', 'example'], 'is a part of this program'],
    [['--host', 'a b'], 'is not letters, digits, - and _'],
  ])('%j is refused as a mistake of the command line', async (flags, said) => {
    const { code, stderr } = await machine.run([...machine.answers, ...flags]);

    expect([code, stderr]).toEqual([64, expect.stringContaining(said)]);
    expect(await machine.written()).toEqual([]);
  });
});

describe('with every answer', () => {
  test('the folder is written, its settings are valid, and the plan is shown', async () => {
    const { code, stdout, stderr } = await machine.run(machine.answers);
    const text = await machine.settings('attic');

    expect(code).toBe(0);
    expect(await machine.written()).toEqual(['attic', 'attic/settings.yaml']);
    expect(parseSettings(text, 'settings.yaml')).toMatchObject({
      domain: 'skylab.test',
      reachability: { mode: 'lan', port: machine.port, bind: '127.0.0.1' },
      identity: { admin: { username: 'anna', email: 'anna@skylab.test', first_name: 'Anna' } },
      cloudflare: { token: { env: 'CLOUDFLARE_TOKEN_OF_TEST' } },
    });
    expect(stderr).toContain('the token may edit the DNS of skylab.test (may edit skylab.test)');
    expect(stdout).toContain('create A netbird.skylab.test');
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('next: npm run up');
    expect(stdout + stderr + text).not.toContain(tokens.edit.value);
  });

  test('a second time nothing changes, not a byte', async () => {
    await machine.run(machine.answers);
    const before = await machine.settings('attic');
    const again = await machine.run(['--json']);

    expect(again.code).toBe(0);
    expect(told(again.stdout)).toMatchObject({ host: 'attic', written: false });
    expect(await machine.settings('attic')).toBe(before);
  });

  test('with --json all of it is one document', async () => {
    const { code, stdout } = await machine.run([...machine.answers, '--json']);

    expect(code).toBe(0);
    expect(told(stdout).written).toBe(true);
    expect(statuses(stdout)).toEqual({
      'init.bind': 'passed',
      'init.rebind': 'skipped',
      'init.port': 'passed',
      'init.stun-port': 'passed',
      'init.token': 'passed',
      'init.zone': 'passed',
    });
  });

  test('any other setting is written by --set', async () => {
    const { code } = await machine.run([...machine.answers, '--json', '--set', 'mesh.store=postgres']);

    expect(code).toBe(0);
    expect(parseSettings(await machine.settings('attic'), '').mesh.store).toBe('postgres');
  });
});

describe('settings that are there already', () => {
  const write = async (edit: (text: string) => string) => {
    await machine.run([...machine.answers, '--json']);
    await writeFile(machine.settingsFile('attic'), edit(await machine.settings('attic')));
    return machine.settings('attic');
  };

  test('are not changed before somebody has seen how and agreed', async () => {
    const before = await write((text) => text);
    const { code, stderr } = await machine.run(['--port', String(machine.otherPort)]);

    expect(code).toBe(64);
    expect(stderr).toContain(`-  port: ${machine.port}\n+  port: ${machine.otherPort}\n`);
    expect(stderr).toContain('the same command with --yes');
    expect(await machine.settings('attic')).toBe(before);
  });

  test('keep every line but the one that was answered differently', async () => {
    const before = await write((text) =>
      text
        .replace(`port: ${machine.port}`, `port:   ${machine.port}    # my grandfather's number`)
        .replace('identity:', "'identity':  # who")
        .concat('\n# the end\n'),
    );
    const { code } = await machine.run(['--port', String(machine.otherPort), '--yes', '--json']);

    expect(code).toBe(0);
    expect(await machine.settings('attic')).toBe(
      before.replace(String(machine.port), String(machine.otherPort)),
    );
  });

  test('that are not valid are not written over', async () => {
    const before = await write((text) => `${text}colour: red\n`);
    const { code, stderr } = await machine.run(['--port', String(machine.otherPort), '--yes']);

    expect([code, stderr]).toEqual([78, expect.stringContaining('colour: is not a known setting')]);
    expect(await machine.settings('attic')).toBe(before);
  });

  test('of SKYLAB are filled in, and its comments stay', async () => {
    const file = machine.settingsFile('SKYLAB');
    await mkdir(dirname(file));
    await copyFile('compose/hosts/SKYLAB/settings.yaml', file);
    const { code } = await machine.run([...machine.answers, '--host', 'skylab', '--yes', '--json']);
    const comments = (text: string) => text.match(/#.*/g);

    expect(code).toBe(0);
    const text = await readFile(file, 'utf8');
    expect(parseSettings(text, '')).toMatchObject({ domain: 'skylab.test', turn: { network: 'host' } });
    expect(comments(text)).toEqual(comments(await readFile('compose/hosts/SKYLAB/settings.yaml', 'utf8')));
    expect(await machine.written()).toEqual(['SKYLAB', 'SKYLAB/settings.yaml']);
  });
});

describe('a check that fails', () => {
  test.each([
    ['for another zone', tokens.other.value, 'the token is for another zone: it sees only other.test'],
    ['that may only read', tokens.read.value, 'the token may read skylab.test and not edit it'],
    ['that nobody knows', 'unknown-token_1', 'the token is unknown'],
  ])('ends with 2 and writes nothing: a token %s', async (_, token, seen) => {
    const ended = await machine.run([...machine.answers, '--json'], { CLOUDFLARE_TOKEN_OF_TEST: token });

    expect(ended.code).toBe(2);
    expect(told(ended.stdout).written).toBe(false);
    expect(ended.stderr).toContain(seen);
    expect(ended.stderr).toContain(
      'nothing was written: mend what failed, or take it as it is with --accept',
    );
    expect(ended.stdout + ended.stderr).not.toContain(token);
    expect(await machine.written()).toEqual([]);
  });

  test('names who holds the port, and is taken as it is with --accept', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = String(typeof address === 'object' ? address?.port : '');
    const refused = await machine.run([...answering({ '--port': port }), '--json']);
    const accepted = await machine.run([...answering({ '--port': port }), '--json', '--accept']);
    server.close();

    expect([refused.code, statuses(refused.stdout)['init.port']]).toEqual([2, 'failed']);
    expect(refused.stderr).toContain(`TCP ${port} is held by`);
    expect([accepted.code, statuses(accepted.stdout)['init.port']]).toEqual([0, 'failed']);
  });

  test('sees that the provider shares the public address among customers', async () => {
    const { code, stdout } = await machine.run([...answering({ '--reach': 'port' }), '--json']);

    expect(code).toBe(2);
    expect(statuses(stdout)).toMatchObject({ 'init.outside': 'failed', 'init.bind': 'failed' });
  });

  test('is not made with --no-checks', async () => {
    const before = machine.provider.calls().length;
    const { code, stdout } = await machine.run([...machine.answers, '--json', '--no-checks'], {
      CLOUDFLARE_TOKEN_OF_TEST: tokens.other.value,
    });

    expect([code, told(stdout).checks]).toEqual([0, []]);
    expect(machine.provider.calls().length).toBe(before);
  });
});

describe('a token that is not there yet', () => {
  /** What is said after the plan: it is the last thing on the screen. */
  const left = async (flags: readonly string[]): Promise<string> => {
    const { code, stderr } = await machine.run([...flags, '--host', 'attic']);
    expect(code).toBe(0);
    return stderr
      .slice(stderr.lastIndexOf('what npm run'))
      .replaceAll(machine.folder, '<folder>')
      .split('\n')
      .filter((line) => !/^unknown:|^ {2}fix:/.test(line))
      .join('\n');
  };

  test('comes into an encrypted file by commands that can be typed', async () => {
    expect(await left([...answering({ '--token': 'sops' }), '--accept'])).toMatchInlineSnapshot(`
      "what npm run -s up -- --host attic will do, and why:
      There is no <folder>/hosts/attic/secrets/secrets.yaml yet. It is made by sops, with a key of age (both are programs to install):
        mkdir -p <folder>/home/.config/sops/age && age-keygen -o <folder>/home/.config/sops/age/keys.txt
          once a machine; keep a copy of that key elsewhere: without it nobody can read the file again
        mkdir -p <folder>/hosts/attic/secrets
        sops --age "$(age-keygen -y <folder>/home/.config/sops/age/keys.txt)" <folder>/hosts/attic/secrets/secrets.yaml
      and in the editor that opens, in place of what stands there:
        acme:
          cloudflare_token: CLOUDFLARE_DNS_API_TOKEN=your_token_here
      docs/cloudflare.md shows how to make the token: template "Edit zone DNS", for one zone, shown once.
      then: npm run -s up -- --host attic
      "
    `);
  });

  test('comes into a file of its owner alone by commands that can be typed', async () => {
    const flags = [...answering({ '--token': 'file' }), '--token-file', '../token', '--accept'];
    expect(await left(flags)).toMatchInlineSnapshot(`
      "what npm run -s up -- --host attic will do, and why:
      There is no <folder>/hosts/token yet. To put the token there, readable by you alone:
        (umask 077; cat > <folder>/hosts/token)
          paste the token, then Enter and Ctrl-D
      docs/cloudflare.md shows how to make the token: template "Edit zone DNS", for one zone, shown once.
      then: npm run -s up -- --host attic
      "
    `);
  });

  test('comes into the environment by commands that can be typed', async () => {
    expect(await left([...answering({ '--token-env': 'NO_SUCH_TOKEN' }), '--accept'])).toMatchInlineSnapshot(`
      "what npm run -s up -- --host attic will do, and why:
      The environment has no NO_SUCH_TOKEN yet. In the shell in which you run what follows:
        read -rs NO_SUCH_TOKEN && export NO_SUCH_TOKEN
          paste the token, which is not shown, then Enter
      docs/cloudflare.md shows how to make the token: template "Edit zone DNS", for one zone, shown once.
      then: npm run -s up -- --host attic
      "
    `);
  });

  test('is no longer spoken of once it is there', async () => {
    expect(await left([...machine.answers, '--accept'])).toBe(
      'what npm run -s up -- --host attic will do, and why:\nnext: npm run -s up -- --host attic\n',
    );
  });
});

test('flags that are wrong beside answers that are missing: both are said, and what mends each', async () => {
  const { code, stderr } = await machine.run(['--domain', 'skylab.test', '--reach', 'moon']);

  expect(code).toBe(64);
  expect(stderr).toMatch(/--reach "moon" is not lan, port or public\n[0-9] answers are missing/);
  expect(stderr).toContain(
    'fix: mend those flags; npm run -s init -- --help says what each is; add after npm run -s init -- what is missing: --admin-username',
  );
});
