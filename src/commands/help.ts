/*
 * What `skylab <verb> --help` says beside the flags. A verb without an entry does not compile.
 */

interface VerbHelp {
  /** What it does and what it leaves alone: whole sentences. */
  readonly about: string;
  /** As people type it, and what it is good for. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Exit codes that mean something of its own here; those that all verbs share are added. */
  readonly exits: Readonly<Record<number, string>>;
}

const busy = 'another run is at work';
const differs = 'a check failed';
const outside = 'an outside system failed, and something wanted is not true; run it again';

export const verbHelp = {
  init: {
    about:
      'Sets up a host: asks a few questions, looks at once whether each answer can work, writes the settings of the host and shows what up would do. Each question has a flag. Run again, it changes what is answered differently and keeps every other line; it shows the difference before it writes.',
    examples: [
      ['npm run init', 'a folder for this machine'],
      ['npm run -s init -- --port 9443', 'changes one answer'],
      ['npm run -s init -- --host attic --set mesh.store=postgres', 'any other setting'],
    ],
    exits: {
      0: 'the settings are written',
      2: 'a check failed, and nothing was written',
      3: outside,
      6: 'you said no, and nothing was written',
    },
  },
  up: {
    about:
      'Looks at what is, takes the steps that are missing, and proves the login when something it rests on has changed. A second run takes no step. It may be interrupted at any time, and goes on where it stopped.',
    examples: [
      ['npm run up', 'the host that belongs to this machine; the first line says which, and why'],
      ['npm run -s up -- --host SKYLAB', 'a host by its name: a folder in compose/hosts'],
      ['npm run -s up -- --json', 'one event a line, for programs'],
    ],
    exits: {
      0: 'everything is so',
      2: differs,
      3: outside,
      4: 'a deadline passed',
      5: busy,
    },
  },
  plan: {
    about: 'Lists every step that up would take, with its reason and what it waits for. Changes nothing.',
    examples: [
      ['npm run plan', 'before the first run, and before every change'],
      ['npm run -s plan -- --json', 'the same as one document'],
    ],
    exits: { 0: 'nothing is to be done', 2: 'there are steps to take', 3: outside },
  },
  status: {
    about:
      'Shows the services, the certificate and what is not so yet, and which servers are real and which stand in for real ones. Looks at everything, changes nothing.',
    examples: [
      ['npm run status', 'a look'],
      ['npm run -s status -- --json | jq .services', 'for programs'],
    ],
    exits: { 0: 'it was shown, whatever it says' },
  },
  doctor: {
    about:
      'Looks for what is wrong, in the order in which things need each other: Engine, disk, memory, settings, names, clock, token, ports, certificate, routes, login, relay, networks, images. Each finding has its cause, what to do, and how to confirm it. It changes nothing, and works when little else does.',
    examples: [
      ['npm run doctor', 'something does not work, and nobody knows why'],
      ['npm run -s doctor -- --json', 'for programs'],
    ],
    exits: { 0: 'nothing is wrong with what could be looked at', 2: 'something is' },
  },
  down: {
    about:
      'Stops and removes the containers of this host. Volumes, databases, keys and certificates stay: up brings everything back as it was. With --volumes, data that is named is removed as well; keys never are.',
    examples: [
      ['npm run down', 'before the machine is moved, or to try something else'],
      ['npm run -s down -- --volumes', 'lists what data there is, and stops nothing'],
    ],
    exits: {
      0: 'nothing runs any more',
      3: 'an outside system failed, or databases of other services are in the way',
      5: busy,
      6: 'names or --yes are missing, and nothing was removed',
    },
  },
  adopt: {
    about:
      'Takes over a Pocket ID that ran without this stack: its database, its encryption key, its pictures. The dump is restored beside the database and checked there, then takes its place in one step; what was there before is kept. Ends as up does, with the proof of the login. It may be interrupted, and run again. The old server is not touched.',
    examples: [
      [
        'npm run -s adopt -- pocketid --dump pocketid.dump --key-file /var/lib/secrets/pocketid.env',
        'after: systemctl stop pocket-id; sudo -u postgres pg_dump -Fc pocketid > pocketid.dump',
      ],
    ],
    exits: {
      0: 'it is taken over, and the login is proven',
      2: differs,
      3: 'something stands in the way and nothing was changed, or an outside system failed',
      5: busy,
    },
  },
  logs: {
    about: 'Shows the last lines of every service, or of one. Secrets are taken out.',
    examples: [
      ['npm run logs', 'the last 50 lines of each'],
      ['npm run -s logs -- --service nginx --lines 200', 'more of one'],
    ],
    exits: { 0: 'they were shown', 3: 'the Engine does not answer' },
  },
  renew: {
    about:
      'Renews the certificate if it is due, which takes no open port. The service certs does so by itself, and follows a public address that changes: this verb is for when it cannot, and for trying.',
    examples: [
      ['npm run renew', 'renews if it is due, and says so if it is not'],
      ['npm run -s renew -- --now', 'although it is not due, for example after a key was seen by others'],
    ],
    exits: { 0: 'the certificate is served and not due', 3: outside, 4: 'a deadline passed', 5: busy },
  },
  secrets: {
    about:
      'Shows the secrets of a host and never their values, gives one a new value where that breaks no login, writes the file that a Pocket ID without this stack reads, and says how devices trust the CA of this host.',
    examples: [
      ['npm run -s secrets -- list', 'what there is, how old it is, who uses it'],
      ['npm run -s secrets -- rotate turn-secret', 'a new value, in effect at once'],
      ['npm run -s secrets -- pocketid', 'asks for key and password, or makes them'],
      ['npm run -s secrets -- ca --pem > ca.pem', 'to take along to a device'],
    ],
    exits: {
      0: 'it was done or shown',
      2: 'pocketid: the file that is there is not that of this stack; rotate: a check failed',
      3: outside,
      5: busy,
      6: 'this secret cannot be rotated, and nothing was changed',
    },
  },
  verify: {
    about:
      'Runs every proof: what nginx serves, and the login from its start to a checked ID token, with a user that exists for this run only.',
    examples: [
      ['npm run verify', 'after a change of your own to router, DNS or firewall'],
      ['npm run -s verify -- --json', 'each check as a record'],
    ],
    exits: { 0: 'every check passed', 2: differs, 3: 'a proof could not begin', 5: busy },
  },
  'verify-tls': {
    about:
      'Proves what nginx serves: the certificate of each name and who signed it, and that what should be closed is closed.',
    examples: [['npm run verify-tls', 'after a renewal']],
    exits: { 0: 'every check passed', 2: differs, 3: 'the proof could not begin' },
  },
  'verify-oidc': {
    about:
      'Proves the login as a device would do it, from discovery to a checked ID token, and that each way to cheat is refused. The user it needs exists for this run only.',
    examples: [['npm run verify-oidc', 'when somebody cannot sign in']],
    exits: { 0: 'every check passed', 2: differs, 3: 'the proof could not begin', 5: busy },
  },
  completion: {
    about:
      'Prints what makes the TAB key complete verbs, flags, hosts and services in bash or zsh. Read by your shell, it also defines the command skylab for this clone, where there is none: npm and npx complete nothing of ours.',
    examples: [
      ['npm run -s completion -- bash > ~/.skylab.bash', 'then add to ~/.bashrc:  source ~/.skylab.bash'],
      [
        'npm run -s completion -- zsh > ~/.skylab.zsh',
        'then add to ~/.zshrc, after compinit:  source ~/.skylab.zsh',
      ],
      ['skylab up --<TAB>', 'in a new shell'],
    ],
    exits: { 0: 'it was printed' },
  },
} as const satisfies Readonly<Record<string, VerbHelp>>;

export type VerbName = keyof typeof verbHelp;

const shared: Readonly<Record<number, string>> = {
  64: 'the command line is wrong',
  78: 'the settings are wrong or missing',
  130: 'interrupted',
};

/** To doctor wrong settings are a finding; completion reads none. */
const withoutSettings: readonly VerbName[] = ['doctor', 'completion'];

/** The text below the flags: examples and exit codes. */
export const belowFlags = (name: VerbName): string => {
  const { examples, exits }: VerbHelp = verbHelp[name];
  const codes = Object.entries({ ...exits, ...shared }).filter(
    ([code]) => code !== '78' || !withoutSettings.includes(name),
  );
  return [
    '',
    'Examples:',
    ...examples.flatMap(([line, what]) => [`  ${line}`, `      ${what}`]),
    '',
    'Exit codes:',
    ...codes.map(([code, means]) => `  ${code.padEnd(4)} ${means}`),
  ].join('\n');
};
