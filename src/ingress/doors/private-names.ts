import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import type { Check } from '../../orchestrator/report/check.ts';
import { doorOf } from '../observe.ts';
import { get, shakeHands } from '../probe.ts';
import { again, check, either, skipped, type Finding, type LocalCa, type Proof } from './finding.ts';
import { checksOfName } from './names.ts';

/** A path that tells a lost path, a lost query and a changed spelling apart. */
const somePath = '/some%2Fpath//x?a=b%20c&d';

const redirect = async (proof: Proof, name: string, target: string): Promise<Finding> => {
  const { desired, signal } = proof;
  const reply = await get(doorOf(desired), name, { path: somePath }, { signal });
  const { location } = reply.headers;
  const detail = `HTTP ${reply.status} to ${location ?? 'nowhere'}`;
  return either(reply.status === 307 && location === `${target}${somePath}`, detail, again);
};

/** Serves a certificate on loopback for one handshake, and returns why a device that trusts the root refuses it. */
const refusalOf = async (
  name: string,
  { chainPem, keyPem }: { readonly chainPem: string; readonly keyPem: string },
  root: string,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const server = createServer({ cert: chainPem, key: keyPem });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    return (await shakeHands({ address: '127.0.0.1', port }, name, { roots: [root], signal })).distrust;
  } finally {
    server.close();
  }
};

const limits = async ({ desired, signal }: Proof, ca: LocalCa): Promise<Finding> => {
  const own = desired.privateNames[0]?.name ?? '';
  const foreign = [desired.identity, 'somebody-else.invalid'];
  const fix =
    'tell every device to forget this CA, move its root away, and run npm run up: it makes a new one';
  // A chain that is refused anyway would show nothing.
  const fault = await refusalOf(own, await ca.signFor(own), ca.root, signal);
  if (fault !== undefined) return skipped(`nothing verifies that this CA signs for ${own}: ${fault}`);
  const verified: string[] = [];
  for (const name of foreign)
    if ((await refusalOf(name, await ca.signFor(name), ca.root, signal)) === undefined) verified.push(name);
  const may = `it may sign for ${ca.permitted.join(', ') || 'everything'}`;
  return either(
    verified.length === 0 && ca.permitted.length > 0,
    verified.length === 0
      ? `${may}; certificates by it for ${foreign.join(' and ')} were refused`
      : `${may}; its certificate for ${verified.join(' and ')} verifies`,
    fix,
  );
};

/** Private names: the handshake, where they lead, and that their CA can sign for nothing else. None where there are none. */
export const provePrivateNames = async (proof: Proof): Promise<readonly Check[]> => {
  const { desired, ports } = proof;
  if (desired.privateNames.length === 0) return [];
  const ca = await ports.localCa();
  const roots = ca === undefined ? [] : [ca.root];
  const file = desired.privateCertificateFile;
  const [ofNames, ofTargets, ofCa] = await Promise.all([
    Promise.all(desired.privateNames.map(async ({ name }) => checksOfName(proof, { name, file, roots }))),
    Promise.all(
      desired.privateNames.map(async ({ name, target }) =>
        check(proof, `private.redirect.${name}`, `${name} leads to ${target}`, 'nginx', async () =>
          redirect(proof, name, target),
        ),
      ),
    ),
    check(
      proof,
      'private.ca-limits',
      'the local CA can sign for private domains and for nothing else',
      'nginx',
      async () => (ca === undefined ? skipped('there is no local CA yet') : limits(proof, ca)),
    ),
  ]);
  return [...ofNames.flat(), ...ofTargets, ofCa];
};
