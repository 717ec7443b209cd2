import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../../support/host.ts';

/*
 * What the command line says of itself.
 */

const help = async (...args: readonly string[]): Promise<string> => {
  const env = { PATH: process.env['PATH'], NO_COLOR: '1' };
  const { code, stdout, stderr } = await runProgram(
    process.execPath,
    [resolve('dist/cli.js'), ...args, '--help'],
    env,
  );
  expect([code, stderr]).toEqual([0, '']);
  return stdout.trimEnd();
};

const verbs = [...(await help()).matchAll(/^ {2}([a-z-]+) (?=[[<])/gm)]
  .map((match) => match[1] ?? '')
  .filter((verb) => verb !== 'help');

test.each(verbs)('the help of %s has what it does, flags, examples and exit codes', async (verb) => {
  const text = await help(verb);
  const examples = /\nExamples:\n([^]*)\nExit codes:/.exec(text)?.[1] ?? '';
  const flags = [...examples.matchAll(/ (--[a-z-]{2,})/g)].map((match) => match[1] ?? '');

  expect(text).toMatch(/^Usage: skylab .*\n\n.+\n[^]*\nOptions:\n[^]*\nExamples:\n[^]*\nExit codes:\n {2}0 /);
  for (const flag of flags) expect(text).toMatch(new RegExp(`^ {2}(-., )?${flag}\\b`, 'm'));
});

test('the help of skylab says what it does and which flags it has', async () => {
  expect(await help()).toMatchInlineSnapshot(`
    "Usage: skylab [options] [command]

    One command brings up a private mesh network with passkey sign-on on a home
    server, and proves that it works.

    Options:
      -h, --help              display help for command

    Commands:
      init [options]          set up a host: asks a few questions, looks whether it
                              can work, and writes its settings
      up [options]            make everything so, then prove the login
      plan [options]          show what up would do, and change nothing
      status [options]        show what is
      down [options]          stop and remove the containers; data stays
      logs [options]          show the last lines of every service, or of one
      renew [options]         renew the certificate if it is due
      doctor [options]        look for what is wrong, from the Engine to the images,
                              and change nothing
      secrets                 show, replace and hand on the secrets of a host
      adopt [options] <what>  take over what ran without this stack: pocketid, a
                              native Pocket ID
      verify [options]        run every proof
      verify-tls [options]    prove what nginx serves
      verify-oidc [options]   prove the login
      completion <shell>      print what makes TAB complete the command line, for
                              bash or zsh
      help [command]          display help for command

    Each verb has a help of its own, with examples: npx skylab up --help
    Where to begin: README.md. What an error means: docs/errors.md."
  `);
});

test('the help of init says what it does and which flags it has', async () => {
  expect(await help('init')).toMatchInlineSnapshot(`
    "Usage: skylab init [options]

    Sets up a host: asks a few questions, looks at once whether each answer can
    work, writes the settings of the host and shows what up would do. Each question
    has a flag. Run again, it changes what is answered differently and keeps every
    other line; it shows the difference before it writes.

    Options:
      --host <name>              the name of the host; else this machine's
      --json                     print one JSON document, and ask nothing
      --domain <name>            the domain at Cloudflare, such as example.org
      --admin-username <name>    sign-in name of the first administrator
      --admin-first-name <name>  the administrator's first name
      --admin-email <address>    the administrator's e-mail address
      --reach <how>              from where devices reach this server: lan, port or
                                 public
      --port <number>            the TCP port of every address; not with public,
                                 which means 443
      --bind <address>           the address of this machine on which the ports are
                                 published
      --front-door <who>         who holds the port: own or behind
      --token <where>            where Cloudflare's API token is: sops, file or env
      --token-file <path>        with --token file: the file that has it
      --token-env <name>         with --token env: the variable that has it
      --set <path=value>         any other setting, such as mesh.store=postgres; may
                                 be repeated (default: [])
      --yes                      change settings that are there already without
                                 asking
      --accept                   write them although a check failed
      --no-checks                look at nothing outside the settings
      -h, --help                 display help for command

    Examples:
      npm run init
          a folder for this machine
      npm run -s init -- --port 9443
          changes one answer
      npm run -s init -- --host attic --set mesh.store=postgres
          any other setting

    Exit codes:
      0    the settings are written
      2    a check failed, and nothing was written
      3    an outside system failed, and something wanted is not true; run it again
      6    you said no, and nothing was written
      64   the command line is wrong
      78   the settings are wrong or missing
      130  interrupted"
  `);
});

test('the help of up says what it does and which flags it has', async () => {
  expect(await help('up')).toMatchInlineSnapshot(`
    "Usage: skylab up [options]

    Looks at what is, takes the steps that are missing, and proves the login when
    something it rests on has changed. A second run takes no step. It may be
    interrupted at any time, and goes on where it stopped.

    Options:
      --host <name>                  the folder in compose/hosts to use
      --json                         print one JSON document (one event a line for
                                     up)
      --verbose                      say more: every step as it begins, every effect
      --adopt                        take over objects of a declared name that this
                                     stack did not make
      --new-issuer                   accept that the issuer changes: every passkey
                                     and client is lost
      --replace-trusted <authority>  let it replace a certificate that more devices
                                     trust
      -h, --help                     display help for command

    Examples:
      npm run up
          the host that belongs to this machine; the first line says which, and why
      npm run -s up -- --host SKYLAB
          a host by its name: a folder in compose/hosts
      npm run -s up -- --json
          one event a line, for programs

    Exit codes:
      0    everything is so
      2    a check failed
      3    an outside system failed, and something wanted is not true; run it again
      4    a deadline passed
      5    another run is at work
      64   the command line is wrong
      78   the settings are wrong or missing
      130  interrupted"
  `);
});

test.each(['list', 'rotate', 'pocketid', 'ca'])('the help of secrets %s says what it does', async (verb) => {
  const text = await help('secrets', verb);

  expect(text).toContain(`Usage: skylab secrets ${verb} [options]`);
  expect(await help('secrets')).toContain(`  ${verb} [options]`);
});

test('the help of secrets list says where the token is kept at rest', async () => {
  expect((await help('secrets', 'list')).replaceAll(/\s+/g, ' ')).toContain(
    'one file that only its user can read, in a folder that only the container "certs" mounts',
  );
});
