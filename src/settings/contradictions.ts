import { domainOfPrivateName, isWithin, suffixList } from './private-names.ts';

/** What the rules below look at: the settings file after its fields were checked one by one. */
interface Settings {
  readonly domain: string;
  readonly private_names: Readonly<Record<string, string>>;
  readonly reachability: { readonly mode: string; readonly port: number };
  readonly ingress: { readonly mode: string; readonly listen: readonly string[] };
  readonly cloudflare: { readonly token: object };
  readonly images: { readonly stand_ins: boolean };
  readonly certificates: { readonly directory: string; readonly trust: unknown };
  readonly mesh: { readonly home: readonly unknown[]; readonly peer: boolean };
  readonly apps: readonly unknown[];
  readonly identity: {
    readonly admin: Person;
    readonly groups: readonly { readonly name: string }[];
    readonly people: readonly (Person & { readonly groups: readonly string[] })[];
    readonly clients: readonly { readonly id: string; readonly groups: readonly string[] }[];
  };
}

interface Person {
  readonly username: string;
  readonly email: string;
}

interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const problem = (path: readonly (string | number)[], message: string): Problem => ({ path, message });

/** What is for a machine that talks to nobody, and is not to be taken to a real one. */
const outsideLocalhost = ({ domain, images, cloudflare }: Settings): readonly Problem[] => {
  if (domain.endsWith('.localhost')) return [];
  const token = 'a token does not belong into this file; use {sops, key}, {file} or {env}';
  return [
    ...(images.stand_ins
      ? [problem(['images', 'stand_ins'], 'stand-ins are for domains under .localhost only')]
      : []),
    ...('value' in cloudflare.token ? [problem(['cloudflare', 'token'], token)] : []),
  ];
};

/** The address of the directory too: what counts is whose certificates come of it. */
const staging = new Set(['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory']);

/** Said before an order is spent whose certificate could not be used. */
const trustProblems = ({ certificates: { directory, trust } }: Settings): readonly Problem[] =>
  staging.has(directory) && trust === 'system'
    ? [
        problem(
          ['certificates', 'trust'],
          "is system, in which no root of Let's Encrypt's staging is; name a file with them: { file: staging-roots.pem }, docs/operations.md says where they are",
        ),
      ]
    : [];

/** Accepting these without acting on them would be a lie. */
const notBuilt = ({ mesh, apps }: Settings): readonly Problem[] =>
  (
    [
      [['mesh', 'home'], mesh.home.length > 0],
      [['mesh', 'peer'], mesh.peer],
      [['apps'], apps.length > 0],
    ] as const
  )
    .filter(([, isSet]) => isSet)
    .map(([path]) => problem(path, 'has its place here, and nothing acts on it yet; leave it out'));

/** The issuer carries the port, so the other nginx has to listen on that very one. */
const listenProblems = ({ ingress, reachability }: Settings): readonly Problem[] =>
  ingress.listen
    .map((one, index) => ({ index, port: Number(one.split(':').at(-1)) }))
    .filter(({ port }) => port !== reachability.port)
    .map(({ index, port }) =>
      problem(
        ['ingress', 'listen', index],
        `names port ${port}; every address carries reachability.port, which is ${reachability.port}`,
      ),
    );

const privateNameProblems = ({ domain, private_names }: Settings): readonly Problem[] =>
  Object.keys(private_names).flatMap((name) => {
    const path = ['private_names', name];
    if (isWithin(name, domain))
      return [problem(path, `lies under ${domain}, where names have public certificates; leave it out`)];
    return domainOfPrivateName(name) === undefined
      ? [problem(path, `does not end in a domain that is private for ever: ${suffixList}`)]
      : [];
  });

const identityProblems = ({ identity }: Settings): readonly Problem[] => {
  const { admin, groups, people, clients } = identity;
  const declared = new Set(['netbird-users', ...groups.map((group) => group.name)]);
  const undeclared = (['people', 'clients'] as const).flatMap((section) =>
    identity[section].flatMap((one, index) =>
      one.groups
        .filter((group) => !declared.has(group))
        .map((group) =>
          problem(
            ['identity', section, index, 'groups'],
            `names the group "${group}", which is not declared`,
          ),
        ),
    ),
  );
  const taken = clients.findIndex((one) => one.id === 'netbird');
  const everyone = [admin, ...people];
  const lists = [
    ['groups', 'group', groups.map((one) => one.name)],
    ['clients', 'client', clients.map((one) => one.id)],
    ['people', 'username', everyone.map((one) => one.username.toLowerCase())],
    ['people', 'e-mail address', everyone.map((one) => one.email.toLowerCase())],
  ] as const;
  return [
    ...undeclared,
    ...(taken < 0
      ? []
      : [
          problem(['identity', 'clients', taken, 'id'], '"netbird" is the id of the client this stack makes'),
        ]),
    ...lists
      .filter(([, , values]) => new Set(values).size !== values.length)
      .map(([section, what]) => problem(['identity', section], `name the same ${what} twice`)),
  ];
};

/** Rules that look at more than one field: every one that is broken, with the path of the field to change. */
export const contradictions = (all: Settings): readonly Problem[] => [
  ...outsideLocalhost(all),
  ...trustProblems(all),

  ...notBuilt(all),
  ...privateNameProblems(all),
  ...listenProblems(all),
  ...(all.reachability.mode === 'public' && all.reachability.port !== 443
    ? [problem(['reachability', 'port'], 'mode public means port 443; use mode port for another one')]
    : []),
  ...identityProblems(all),
];
