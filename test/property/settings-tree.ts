import fc from 'fast-check';

/** The operator's token in every tree. */
export const secret = 'operators-token-4f1c';

/** Text that means something to one of the programs that read what is rendered. */
export const nasty = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(...'a.-/:;{}"\'$#\\\n\r `~*=%&|<>[]!?\u0000\u0001\u2028é'.split('')) }),
  fc.constantFrom('{{.Domain}}', '${HOME}', '$(id)', "'; DROP TABLE users; --", '\u0001turn-secret\u0001'),
);
const anything = fc.oneof(nasty, fc.integer(), fc.boolean(), fc.constant(null), fc.array(nasty), fc.object());

const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
const domain = fc.array(label, { minLength: 1, maxLength: 3 }).map((all) => [...all, 'localhost'].join('.'));
const port = fc.integer({ min: 1, max: 65_535 });
const person = fc.record({
  username: fc.stringMatching(/^[a-z]{3,12}$/),
  email: fc.stringMatching(/^[a-z]{3,12}$/).map((name) => `${name}@example.org`),
  first_name: fc.string({ minLength: 1, maxLength: 20 }),
  last_name: fc.string({ maxLength: 20 }),
});
const path = fc.oneof(nasty, fc.constantFrom('/srv/data', '/var/lib')).map((text) => `/${text}`);
const endpoint = fc.oneof(
  fc.ipV4(),
  domain,
  domain.map((name) => `${name}:53`),
);
const trust = fc.oneof(
  fc.constant('system'),
  path.map((file) => ({ file })),
  fc.webUrl().map((url) => ({ url })),
);

const valid = fc.record(
  {
    domain,
    names: fc.uniqueArray(label, { minLength: 3, maxLength: 3 }).map(([mesh, identity, turn]) => ({
      mesh,
      identity,
      turn,
    })),
    private_names: fc.dictionary(
      label.map((one) => `${one}.home.arpa`),
      fc.constantFrom('mesh', 'identity'),
      { maxKeys: 3 },
    ),
    ingress: fc.record({ mode: fc.constantFrom('own', 'behind') }, { requiredKeys: [] }),
    reachability: fc.record(
      {
        mode: fc.constantFrom('lan', 'port'),
        port,
        stun_port: port,
        address: fc.oneof(fc.constant('auto'), fc.ipV4(), fc.ipV6()),
        bind: fc.oneof(fc.ipV4(), fc.ipV6()),
      },
      { requiredKeys: ['mode'] },
    ),
    certificates: fc.record(
      {
        contact: fc.constant('admin@example.org'),
        directory: fc.oneof(fc.constantFrom('letsencrypt', 'letsencrypt-staging'), fc.webUrl()),
        directory_ca: trust,
        trust,
        profile: fc.string({ minLength: 1 }),
      },
      { requiredKeys: [] },
    ),
    cloudflare: fc.record({ token: fc.constant({ value: secret }) }),
    dns: fc.record(
      { resolvers: fc.array(endpoint), authoritative: fc.array(endpoint) },
      { requiredKeys: [] },
    ),
    identity: fc.record(
      {
        admin: person,
        groups: fc.array(
          fc.record({
            name: fc.stringMatching(/^[a-z]{3,10}$/),
            title: fc.string({ minLength: 2, maxLength: 30 }),
          }),
          { maxLength: 3 },
        ),
        people: fc.array(person, { maxLength: 3 }),
        clients: fc.array(
          fc.record({
            id: fc.stringMatching(/^[a-z]{3,12}$/),
            name: fc.string({ minLength: 1, maxLength: 30 }),
            callbacks: fc.array(nasty, { minLength: 1, maxLength: 3 }),
            public: fc.boolean(),
          }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: ['admin'] },
    ),
    mesh: fc.record(
      { store: fc.constantFrom('sqlite', 'postgres'), peer: fc.constantFrom(false, false, false, true) },
      { requiredKeys: [] },
    ),
    postgres: fc.record(
      {
        image: nasty,
        databases: fc.array(
          fc.record({
            name: fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/),
            extensions: fc.array(fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/), { maxLength: 2 }),
          }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: [] },
    ),
    storage: fc.record({ root: fc.oneof(fc.constant('user'), path) }),
    images: fc.record(
      {
        overrides: fc.dictionary(
          fc.oneof(
            { weight: 9, arbitrary: fc.constantFrom('nginx', 'coturn', 'pocket-id') },
            { weight: 1, arbitrary: nasty },
          ),
          nasty,
          { maxKeys: 3 },
        ),
        stand_ins: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['domain', 'reachability', 'certificates', 'cloudflare', 'identity'] },
);

/** Puts a value at a path of the tree; where the path ends early, there. */
const put = (tree: unknown, at: readonly number[], value: unknown): unknown => {
  const [first, ...rest] = at;
  if (first === undefined || typeof tree !== 'object' || tree === null) return value;
  if (Array.isArray(tree)) {
    const index = first % (tree.length + 1);
    return [...tree.slice(0, index), put(tree[index], rest, value), ...tree.slice(index + 1)];
  }
  const keys = [...Object.keys(tree), 'unknown'];
  const key = keys[first % keys.length] ?? 'unknown';
  return { ...tree, [key]: put((tree as Record<string, unknown>)[key], rest, value) };
};

const change = fc.record({ at: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), value: anything });
/** What a settings file may hold: valid settings, of which some places were changed. */
export const tree = fc
  .tuple(valid, fc.array(change, { maxLength: 2 }))
  .map(([good, changes]) => changes.reduce<unknown>((made, { at, value }) => put(made, at, value), good));
