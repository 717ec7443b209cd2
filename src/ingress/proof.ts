import { setMaxListeners } from 'node:events';
import type { Check, Report } from '../orchestrator/report/check.ts';
import type { Settings } from '../settings/settings.ts';
import { within } from '../shared/clock.ts';
import { errnoOf, StackError } from '../shared/errors.ts';
import { desiredIngress } from './desired.ts';
import {
  again,
  check,
  either,
  logsOf,
  skipped,
  textOf,
  type Finding,
  type Proof,
  type TlsProofPorts,
} from './doors/finding.ts';
import { includeHint } from './doors/front.ts';
import { checksOfName } from './doors/names.ts';
import { provePrivateNames } from './doors/private-names.ts';
import { doorOf } from './observe.ts';
import { callGrpc, get, openWebSocket, shakeHands } from './probe.ts';
import { closedPaths, markerHeader } from './render.ts';

const proofTimeoutMs = 60_000;

/** RFC 6761 §6.4: nobody has a name under .invalid. */
const foreignName = 'somebody-else.invalid';

const refusal = async (proof: Proof, name: string | undefined): Promise<string | undefined> => {
  try {
    const { certificate } = await shakeHands(doorOf(proof.desired), name, { signal: proof.signal });
    return `got the certificate of ${certificate.subjectAltName ?? certificate.subject}`;
  } catch (error) {
    proof.signal.throwIfAborted();
    // TLS alert 112 (RFC 6066 §3). Anything else, such as a refused connection, would be no proof.
    return /UNRECOGNIZED_NAME/.test(errnoOf(error) ?? '') ? undefined : textOf(error);
  }
};

const unknownNames = async (proof: Proof): Promise<Finding> => {
  const seen = [await refusal(proof, foreignName), await refusal(proof, undefined)];
  const line = seen.find((one) => one !== undefined);
  return either(
    line === undefined,
    line ?? 'refused by TLS alert, with a foreign name and without one',
    again,
  );
};

/** `remoteKey: "dummy"` of EncryptedMessage: signal answers it with an empty message. */
const dummyMessage = Buffer.concat([Buffer.from([0x1a, 5]), Buffer.from('dummy')]);

const grpc = async (
  proof: Proof,
  method: string,
  message: Buffer,
  isRight: (answer: Buffer) => boolean,
): Promise<Finding> => {
  const { desired, signal } = proof;
  const reply = await callGrpc(doorOf(desired), desired.mesh, method, message, { signal });
  const detail = `HTTP ${reply.httpStatus}, grpc-status ${reply.grpcStatus ?? 'missing'}, ${reply.message.length} bytes`;
  return either(reply.grpcStatus === '0' && isRight(reply.message), detail, logsOf('nginx'));
};

/** Field 1 is a WireGuard key: 44 characters of base64 (shared/management/proto/management.proto). */
const isServerKey = (answer: Buffer): boolean =>
  answer[0] === 0x0a && answer[1] === 44 && /^[A-Za-z0-9+/]{43}=$/.test(answer.subarray(2, 46).toString());

const webSocket = async (proof: Proof, path: string): Promise<Finding> => {
  const { desired, signal } = proof;
  const { status, accepted } = await openWebSocket(doorOf(desired), desired.mesh, path, { signal });
  const detail = `HTTP ${status}${status === 101 && !accepted ? ', but it is no WebSocket' : ''}`;
  return either(accepted, detail, logsOf('nginx'));
};

/** The same pages in spellings that a server behind nginx might take for them. */
const disguises = [
  '/SETUP',
  '//setup',
  '/setup/',
  '/signup%2fsetup',
  '/api/signup/./setup',
  '/api//signup/setup?a=b',
];

const setupClosed = async (proof: Proof): Promise<Finding> => {
  const { desired, signal } = proof;
  const paths = [...closedPaths, ...disguises];
  const open = await Promise.all(
    paths.map(async (path) => {
      const reply = await get(doorOf(desired), desired.identity, { path }, { signal });
      // Pocket ID answers 404 as well once it is set up; the header is nginx's own.
      const closed = reply.status === 404 && reply.headers[markerHeader] !== undefined;
      return closed ? [] : [`${path} reaches Pocket ID (HTTP ${reply.status})`];
    }),
  );
  const lines = open.flat();
  return either(
    lines.length === 0,
    lines.join(', ') || `${paths.length} spellings answered 404 by nginx`,
    again,
  );
};

const whoAmI = '/api/users/me';

/** Our real key, which Pocket ID takes over loopback, must do nothing through nginx. */
const keyDropped = async (proof: Proof, settings: Settings): Promise<Finding> => {
  const { desired, ports, roots, signal } = proof;
  const key = await ports.identityKey();
  if (key === undefined) return skipped('there is no key yet');
  const headers = { 'x-api-key': key };
  const direct = await ports.http
    .call('GET', `${settings.addresses.identityLoopback}${whoAmI}`, { headers, signal })
    .then(
      ({ status }) => `HTTP ${status}`,
      (error: unknown) => textOf(error),
    );
  if (direct !== 'HTTP 200')
    return skipped(`Pocket ID does not take the key over loopback either: ${direct}`);
  // The key goes to nobody but a server that is trusted.
  const options = { roots, verify: true, signal };
  const through = await get(doorOf(desired), desired.identity, { path: whoAmI, headers }, options).catch(
    textOf,
  );
  signal.throwIfAborted();
  if (typeof through === 'string') return skipped(`the key was not sent: ${through}`);
  const detail = `over loopback HTTP 200, through nginx HTTP ${through.status}`;
  return either(through.status === 401, detail, again);
};

const sockets = [
  ['/relay', 'relay'],
  ['/ws-proxy/management', 'management'],
  ['/ws-proxy/signal', 'signal'],
] as const;

const routes = (proof: Proof): readonly Promise<Check>[] => [
  // What another nginx answers to names that are not ours is its own business.
  ...(proof.desired.front === undefined
    ? [
        check(proof, 'tls.unknown-name', 'a name that is not ours gets no certificate', 'nginx', async () =>
          unknownNames(proof),
        ),
      ]
    : []),
  check(proof, 'route.grpc.management', 'management answers gRPC', 'netbird-management', async () =>
    grpc(proof, '/management.ManagementService/GetServerKey', Buffer.alloc(0), isServerKey),
  ),
  check(proof, 'route.grpc.signal', 'signal answers gRPC', 'netbird-signal', async () =>
    grpc(proof, '/signalexchange.SignalExchange/Send', dummyMessage, () => true),
  ),
  ...sockets.map(async ([path, name]) =>
    check(proof, `route.websocket.${name}`, `${path} opens a WebSocket`, `netbird-${name}`, async () =>
      webSocket(proof, path),
    ),
  ),
];

/** @throws {StackError} PROOF_NOT_STARTED where nothing listens at the door */
const knock = async (proof: Proof): Promise<void> => {
  const { desired, signal } = proof;
  try {
    await shakeHands(doorOf(desired), desired.mesh, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (errnoOf(error) !== 'ECONNREFUSED') return;
    const door = `${desired.dialAddress}:${desired.port}`;
    throw new StackError('PROOF_NOT_STARTED', `nothing listens at ${door} (ECONNREFUSED)`, {
      hint: desired.front === undefined ? 'npm run up starts nginx' : includeHint(desired.front),
      data: { door },
      cause: error,
    });
  }
};

/**
 * Proves what nginx serves: certificates, protocols, routes, and what is closed. It changes nothing.
 * @throws {StackError} PROOF_NOT_STARTED, or whatever keeps the trusted roots from being read
 */
export const proveTls = async (
  settings: Settings,
  ports: TlsProofPorts,
  signal: AbortSignal,
): Promise<Report> =>
  within(signal, proofTimeoutMs, async (inTime) => {
    // All checks run at once, and each listens to it.
    setMaxListeners(0, inTime);
    const desired = desiredIngress(settings);
    const proof: Proof = { desired, ports, roots: await ports.trustedRoots(inTime), signal: inTime };
    await knock(proof);
    const checks = await Promise.all([
      ...desired.names.map(async (name) =>
        checksOfName(proof, { name, file: desired.certificateFile, roots: proof.roots }),
      ),
      provePrivateNames(proof),
      ...routes(proof),
      check(proof, 'closed.setup', 'the set-up pages are closed to the outside', 'pocket-id', async () =>
        setupClosed(proof),
      ),
      check(proof, 'closed.api-key', 'API keys do nothing through nginx', 'pocket-id', async () =>
        keyDropped(proof, settings),
      ),
    ]);
    return { subject: 'verify-tls', checks: checks.flat() };
  });
