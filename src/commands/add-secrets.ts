import type { Command } from 'commander';
import type { CommonFlags, Context } from '../context.ts';
import { belowFlags, verbHelp } from './help.ts';

type Verb = (context: Context, flags: Readonly<Record<string, unknown>>) => Promise<number>;

/** Runs a verb with the flags of its command line, and ends the program with its exit code. */
type Run = (flags: CommonFlags & Record<string, unknown>, load: () => Promise<Verb>) => Promise<void>;

const atRest = `
The Cloudflare token is decrypted at each run and kept for the renewer alone: one file that only its user can read, in a
folder that only the container "certs" mounts. It is in no environment, no command line and no log.`;

const names = `
npm run -s secrets -- list shows the names, and says of each whether it can be rotated and what restarts. What seals data
is refused.`;

/** Adds `secrets` and the verbs below it. */
export const addSecrets = (root: Command, run: Run): void => {
  const secrets = root
    .command('secrets')
    .summary('show, replace and hand on the secrets of a host')
    .description(verbHelp.secrets.about)
    .addHelpText('after', belowFlags('secrets'));
  const load = async () => import('./secrets.ts');
  const below = (words: string, about: string, chosen: () => Promise<Verb>): Command => {
    const command = secrets
      .command(words)
      .description(about)
      .option('--host <name>', 'the folder in compose/hosts to use')
      .option('--json', 'print one JSON document')
      .option('--verbose', 'say more: every step as it begins, every effect');
    return command.action(async () =>
      run({ ...command.opts<CommonFlags>(), operands: command.args }, chosen),
    );
  };
  below(
    'list',
    'list every secret, its age, who uses it and whether it can be rotated; never a value',
    async () => (await load()).secretsList,
  ).addHelpText('after', atRest);
  below(
    'rotate <name>',
    'give a secret a new value, bring it into effect, and prove the login',
    async () => (await load()).secretsRotate,
  )
    .option('--only-write', 'only write the new value; npm run up brings it into effect')
    .addHelpText('after', names);
  below(
    'pocketid',
    'write pocketid.env, for a Pocket ID that runs without this stack',
    async () => (await load()).secretsPocketId,
  )
    .option('--path <file>', 'where to; left out: <storage root>/secrets/pocketid.env')
    .option('--owner <user>', 'who may read it; left out: a user pocket-id or pocketid, else you')
    .option('--key-file <file>', 'the encryption key to use; left out: asked for, or made')
    .option('--password-file <file>', 'the password of the database; left out: asked for, or made')
    .option('--database-host <host>', 'host[:port] of PostgreSQL', '127.0.0.1:5432')
    .option('--replace', 'write it anew; the file that is there is kept as .previous');
  below(
    'ca',
    'say how devices trust the certificate authority of this host',
    async () => (await load()).secretsCa,
  ).option('--pem', 'print only the certificate');
};
