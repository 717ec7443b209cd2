import { join } from 'node:path';
import { rootCopies } from '../acme/render.ts';
import type { Context } from '../context.ts';
import type { Stack } from '../orchestrator/areas.ts';
import type { Outcome } from '../orchestrator/converge.ts';
import { privateNames } from '../settings/settings.ts';
import { isStackError } from '../shared/errors.ts';
import { servicesOf } from './status.ts';

const linkTtlSeconds = 86_400;

/** A link that signs the administrator in once, until there is a passkey; undefined from then on. */
const firstLink = async (context: Context, { adapters }: Stack): Promise<string | undefined> => {
  const { username } = context.settings.identity.admin;
  const { signal } = context.terminal;
  if (await adapters.sessions.hasPasskey(username, signal)) return undefined;
  return adapters.sessions.signInLink(username, linkTtlSeconds, context.effects, signal);
};

const outsideText = (context: Context): string => {
  const { mode, port, stun_port, bind } = context.settings.reachability;
  if (bind.startsWith('127.') || bind === '::1')
    return 'does not work: everything is bound to this machine alone';
  if (mode === 'lan')
    return 'does not work, because reachability is "lan"; a device that leaves home loses its tunnel';
  return `works once your router forwards TCP ${port} and UDP ${stun_port} to this machine`;
};

const trustText = (context: Context): readonly string[] => {
  const { settings } = context;
  if (settings.certificates.trust === 'system') return [];
  const file = join(settings.paths.certificates, rootCopies.trust);
  return [
    'trust       browsers take a passkey only from a certificate they trust; this stack has a CA of its own:',
    `            ${file}`,
    '            import it in your browser (Firefox: Settings, Certificates, Authorities; Chromium on Linux:',
    `            certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n skylab -i ${file})`,
    '            it is new whenever that CA starts anew; curl and programs: --cacert or SSL_CERT_FILE with the same file',
  ];
};

/** How devices at home come to the private names; nothing where there are none. */
const privateText = ({ settings }: Context): readonly string[] => {
  const { port } = settings.addresses;
  const shown = (name: string) => `https://${name}${port === 443 ? '' : `:${port}`}`;
  const lines = privateNames(settings).map(
    ({ name, target }, index) =>
      `${(index === 0 ? 'at home' : '').padEnd(12)}${shown(name)} leads to ${target}`,
  );
  if (lines.length === 0) return [];
  return [
    ...lines,
    "            your router's DNS has to know the name (under .local: mDNS), and devices trust this CA:",
    `            ${settings.paths.localCaRoot}`,
  ];
};

const realText = async (context: Context, stack: Stack): Promise<readonly string[]> => {
  const services = await servicesOf(context, stack.adapters);
  const named = (kind: string) =>
    services
      .filter((one) => one.kind === kind)
      .map((one) => one.service)
      .join(', ');
  const rows = [
    ['upstream', named('upstream')],
    ['built here', named('built')],
    ['stand-ins', named('stand-in')],
  ];
  return rows
    .filter(([, names]) => names !== '')
    .map(([kind = '', names = '']) => `${kind.padEnd(12)}${names}`);
};

/** What a person needs to know after a run: addresses, the first sign-in, trust, what is real, what comes next. */
export const closingCard = async (context: Context, stack: Stack, outcome: Outcome): Promise<string> => {
  const { settings, terminal } = context;
  const { bold, green } = terminal.style;
  const { addresses, identity } = settings;
  if (outcome.ran.length === 0 && outcome.unknown.length === 0) {
    return green(`everything is as wanted: ${addresses.meshUrl}`);
  }
  let link: string | undefined;
  try {
    link = await firstLink(context, stack);
  } catch (error) {
    // The card must not turn a good run into a bad one.
    if (!isStackError(error)) throw error;
  }
  return [
    '',
    bold('The mesh is up.'),
    `dashboard   ${addresses.meshUrl}`,
    `sign-on     ${addresses.issuer}`,
    ...(link === undefined
      ? []
      : [
          `first       ${identity.admin.username} has no passkey yet: open this once, within a day, and add one`,
          `            ${link}`,
        ]),
    ...trustText(context),
    ...privateText(context),
    `a device    netbird up --management-url ${addresses.meshUrl}`,
    `outside     ${outsideText(context)}`,
    ...(await realText(context, stack)),
    'next        npm run status',
  ].join('\n');
};
