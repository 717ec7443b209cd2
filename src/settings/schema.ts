import { isIP } from 'node:net';
import * as z from 'zod';
import { contradictions } from './contradictions.ts';
import { notHostName } from './explain.ts';
import { ingress } from './ingress-schema.ts';

/*
 * What the operator decides for one host, whole. Unknown keys are errors; every field says what it is for.
 * docs/settings.md is generated from this file.
 */

const label = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'is not a DNS label (a-z, 0-9 and -, at most 63)');
const hostname = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, notHostName);
const address = z.string().refine((text) => isIP(text) !== 0, 'is not an IP address');
const port = z.int().min(1).max(65_535);
const url = z.url({ protocol: /^https?$/, error: 'is not an http(s) address' });
const name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, 'is not a database name (a-z, 0-9 and _, starting with a letter)');
const username = z
  .string()
  .max(50)
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9_.@-]*[a-zA-Z0-9])?$/, 'is not a user name that Pocket ID takes');
const groupName = z.string().regex(/^[a-z0-9][a-z0-9._-]{1,99}$/, 'is not a group name');
const absolutePath = z.string().regex(/^\/[^\0]*$/, 'is not an absolute path');
const endpoint = z
  .string()
  .regex(/^[^\s:]+(:\d{1,5})?$|^\[[0-9a-fA-F:]+\](:\d{1,5})?$/, 'is not host or host:port');

const secretSource = z
  .union([
    z.strictObject({
      sops: z.string().describe('path of a file encrypted with sops, relative to the folder of the host'),
      key: z.string().describe('where the value stands in it, parts parted by /'),
    }),
    z.strictObject({ file: z.string().describe('path of a file that only its owner can read') }),
    z.strictObject({ env: z.string().describe('name of an environment variable') }),
    z.strictObject({
      value: z.string().min(1).describe('the value itself; only under .localhost, where it is no secret'),
    }),
  ])
  .describe('where a secret comes from: {sops, key}, {file} or {env}');

const trust = z
  .union([z.literal('system'), z.strictObject({ file: z.string() }), z.strictObject({ url })])
  .describe('whose certificates are trusted: system, {file} or {url} with PEM roots (read at each run)');

const person = z.strictObject({
  username: username.describe('sign-in name'),
  email: z.email().describe('e-mail address, taken as verified'),
  first_name: z.string().min(1).max(50).describe('given name'),
  last_name: z.string().max(50).default('').describe('family name'),
});

const names = z
  .strictObject({
    mesh: label.default('netbird').describe('dashboard, management, signal and relay'),
    identity: label.default('pocketid').describe('Pocket ID: issuer, passkey domain and cookie scope'),
    turn: label.default('turn').describe('STUN and TURN'),
  })
  .refine((all) => new Set(Object.values(all)).size === 3, 'are not three different names')
  .prefault({})
  .describe('labels under domain');

const reachability = z
  .strictObject({
    mode: z
      .enum(['lan', 'port', 'public'])
      .describe('lan: at home only. port: one forwarded TCP port and UDP 3478. public: 443 is open'),
    port: port.default(443).describe('TCP port of every https address; the issuer carries it'),
    stun_port: port.default(3478).describe('UDP port of STUN and TURN'),
    address: z
      .union([z.literal('auto'), address])
      .default('auto')
      .describe(
        'where the names point. auto: the public address, which the certs service follows when it changes; with lan the one at home, looked up by each up',
      ),
    bind: address.default('127.0.0.1').describe('address of this host on which the ports are published'),
  })
  .describe('from where devices reach this server');

const command = z.array(z.string().min(1)).min(1);

const certificates = z.strictObject({
  contact: z.email().optional().describe('e-mail address for the account at the certificate authority'),
  directory: z
    .union([z.enum(['letsencrypt', 'letsencrypt-staging']), url])
    .default('letsencrypt')
    .describe('ACME directory'),
  directory_ca: trust.default('system').describe("who signs the directory's own https address"),
  trust: trust.default('system').describe('the roots that issued certificates must chain to'),
  profile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'ACME profile; where the authority does not offer it, the order is made without and status says so',
    ),
  on_renewed: command
    .optional()
    .describe(
      'program and arguments that the renewer runs in its container after each renewal, at most 60 s; SKYLAB_MESSAGE says what happened',
    ),
  on_failed: command
    .optional()
    .describe('the same when orders fail for the third time in a row, and with each failure after that'),
});

const cloudflare = z.strictObject({
  token: secretSource.describe('API token with the right to edit the DNS of the zone'),
  api: url.default('https://api.cloudflare.com/client/v4').describe('address of the API'),
});

const dns = z
  .strictObject({
    resolvers: z
      .array(endpoint)
      .default([])
      .describe('who is asked for delegation; empty: the resolvers of this system'),
    authoritative: z
      .array(endpoint)
      .default([])
      .describe('authoritative servers to ask instead of those the delegation names'),
    ttl_seconds: z.int().min(60).max(86_400).default(300).describe('time to live of our records'),
  })
  .prefault({})
  .describe('how DNS is asked');

const client = z.strictObject({
  id: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{2,128}$/)
    .describe('client id'),
  name: z.string().min(1).max(50).describe('shown at sign-in'),
  callbacks: z.array(z.string()).min(1).describe('redirect addresses'),
  logout_callbacks: z.array(z.string()).default([]).describe('addresses after sign-out'),
  public: z.boolean().default(false).describe('true: no secret, PKCE'),
  groups: z.array(groupName).default([]).describe('who may sign in; empty: everyone with an account'),
});

const identity = z.strictObject({
  admin: person.describe('the first administrator; owns the mesh'),
  groups: z
    .array(
      z.strictObject({
        name: groupName.describe('as applications see it'),
        title: z.string().min(2).max(50).describe('as people see it'),
      }),
    )
    .default([])
    .describe('further groups'),
  people: z
    .array(person.extend({ groups: z.array(groupName).default([]).describe('groups this person is in') }))
    .default([])
    .describe('people with an account'),
  clients: z.array(client).default([]).describe('further applications that sign in with Pocket ID'),
  loopback_port: port.default(1411).describe('port on 127.0.0.1 at which this program talks to Pocket ID'),
});

const mesh = z
  .strictObject({
    store: z
      .enum(['sqlite', 'postgres'])
      .default('sqlite')
      .describe("where NetBird's management keeps its data"),
    login_expiration_days: z
      .int()
      .min(1)
      .max(180)
      .default(90)
      .describe('after so many days a device signs in again'),
    home: z
      .array(
        z.strictObject({
          address: z.string().min(1).describe('network, address or name at home'),
          name: z.string().min(1).max(40).describe('as people see it'),
        }),
      )
      .default([])
      .describe(
        'networks or hosts at home that people reach through the mesh; nothing acts on it yet, so it is refused',
      ),
    peer: z
      .boolean()
      .default(false)
      .describe('true: this host joins its own mesh; nothing acts on it yet, so it is refused'),
  })
  .prefault({})
  .describe('NetBird');

const turn = z
  .strictObject({
    network: z
      .enum(['host', 'bridge'])
      .default('host')
      .describe('host: sees real addresses. bridge: published ports'),
    relay_ports: z
      .strictObject({
        min: port.default(49_152).describe('first port'),
        max: port.default(49_181).describe('last port'),
      })
      .refine(
        (range) => range.min <= range.max && range.max - range.min < 50,
        'is not a range of 1 to 50 ports',
      )
      .prefault({})
      .describe('UDP ports of relayed connections'),
  })
  .prefault({})
  .describe('coturn');

const postgres = z
  .strictObject({
    image: z.string().default('postgres:17.11-trixie').describe('image of PostgreSQL'),
    databases: z
      .array(
        z.strictObject({
          name: name.describe('of the database and of its role'),
          extensions: z
            .array(z.string().regex(/^[a-z][a-z0-9_-]*$/))
            .default([])
            .describe('made in it; the image must have them'),
        }),
      )
      .default([])
      .refine((all) => new Set(all.map((one) => one.name)).size === all.length, 'name a database twice')
      .describe('databases for other services, each with its own role and password'),
  })
  .prefault({})
  .describe('PostgreSQL');

// Docker hands out the lower half; of a /28 that is fewer addresses than the stack has containers.
const subnet = z
  .string()
  .regex(
    /^\d{1,3}(\.\d{1,3}){3}\/(1[6-9]|2[0-7])$/,
    'is not an IPv4 subnet of /16 to /27 such as 172.30.7.0/24',
  )
  .refine((text) => text.split(/[./]/).every((part) => Number(part) <= 255), 'is not an IPv4 subnet');

export const hostSettings = z
  .strictObject({
    domain: hostname.describe('the zone at Cloudflare'),
    names,
    private_names: z
      .record(hostname, z.enum(['mesh', 'identity']))
      .default({})
      .describe(
        'names at home, each mesh or identity, on the same port: they redirect to the real one, with a certificate from the local CA',
      ),
    reachability,
    ingress,
    certificates: certificates.describe('where certificates come from'),
    cloudflare: cloudflare.describe('the DNS provider'),
    dns,
    identity: identity.describe('Pocket ID: people, groups and applications'),
    mesh,
    turn,
    postgres,
    storage: z
      .strictObject({
        root: z
          .union([z.literal('user'), absolutePath])
          .default('/var/lib')
          .describe('where everything is kept; user: the state folder of the user who runs it'),
      })
      .prefault({})
      .describe('where data is kept'),
    network: z
      .strictObject({
        subnet: subnet.default('172.30.77.0/24').describe('IPv4 subnet, overlapping with none in use'),
      })
      .prefault({})
      .describe("the stack's own network"),
    images: z
      .strictObject({
        overrides: z
          .record(z.string(), z.string())
          .default({})
          .describe('service: image, instead of the pinned one'),
        stand_ins: z
          .boolean()
          .default(false)
          .describe('only under .localhost: small servers instead of images that cannot be had'),
      })
      .prefault({})
      .describe('which images run'),
    apps: z
      .array(
        z.strictObject({ name: label.describe('short name'), url: url.describe('address over the mesh') }),
      )
      .default([])
      .describe('services at home that people open over the mesh; nothing acts on it yet, so it is refused'),
  })
  .superRefine((all, context) => {
    for (const { path, message } of contradictions(all)) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  });

/** The settings file of one host, checked and with defaults filled in. */
export type HostSettings = z.output<typeof hostSettings>;
/** Where the operator's secret comes from. */
export type SecretSource = z.output<typeof secretSource>;
/** Whose certificates are trusted. */
export type Trust = z.output<typeof trust>;
