import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { readLocalCa } from '../acme/local/root.ts';
import { desired as desiredAcme } from '../acme/policy.ts';
import { accountFile } from '../acme/store.ts';
import { createDocker, type Docker } from '../containers/area.ts';
import { desiredContainers } from '../containers/desired.ts';
import { checkComposeVersion } from '../containers/docker/failures.ts';
import { memoryLimits } from '../containers/docker/memory.ts';
import type { Context } from '../context.ts';
import { desiredDns } from '../dns/desired.ts';
import { findAddress } from '../dns/observe.ts';
import { createDnsView, endpointsOf, systemView } from '../dns/wire/resolve.ts';
import { createTokenReader } from '../dns/wire/token-reader.ts';
import { desiredIngress } from '../ingress/desired.ts';
import { doorOf } from '../ingress/observe.ts';
import { shakeHands } from '../ingress/probe.ts';
import { proveTls } from '../ingress/proof.ts';
import { meshClientId } from '../oidc/desired.ts';
import { createAdapters } from '../orchestrator/areas.ts';
import { localCaKey } from '../settings/own-secrets.ts';
import { dialAddress } from '../settings/settings.ts';
import { nowMs } from '../shared/clock.ts';
import { isMissingFile, type StackError } from '../shared/errors.ts';
import { run } from '../shared/exec.ts';
import { readText } from '../shared/files.ts';
import { createHttp } from '../shared/http.ts';
import { knownOf } from './known.ts';
import { systemListeners } from './ports.ts';
import { createStun } from './stun.ts';
import type { DoctorView, MachineView, Room, StackView } from './view.ts';

const room = async (path: string): Promise<Room> => {
  try {
    const { bavail, bsize, ffree, files } = await statfs(path);
    return { freeBytes: bavail * bsize, freeFiles: ffree, files };
  } catch (error) {
    // What is not made yet will stand in the nearest folder above it.
    if (isMissingFile(error) && dirname(path) !== path) return room(dirname(path));
    throw error;
  }
};

const machine: MachineView = {
  room,
  readText,
  interfaces: networkInterfaces,
  listeners: systemListeners,
  nowMs,
};

/** Longer than its examination may take, which says that time was up; a docker that is ended here would look missing. */
const composeTimeoutMs = 60_000;

const engineView = ({ engine }: Docker): DoctorView['engine'] => ({
  async check(signal) {
    const [, compose] = await Promise.all([
      engine.check(signal),
      run('docker', ['compose', 'version', '--short'], { timeoutMs: composeTimeoutMs, signal }),
    ]);
    checkComposeVersion(compose);
  },
  dataRoot: engine.dataRoot,
  publishedPorts: engine.publishedPorts,
});

/** The stack of a host, through the adapters of its areas. */
const stackView = (context: Context): { readonly stack: StackView; readonly close: () => void } => {
  const { settings, secrets, user } = context;
  const adapters = createAdapters(context);
  const { docker, http, publicHttp, pocketId } = adapters;
  const ingress = desiredIngress(settings);
  const acme = desiredAcme(settings);
  const dns = desiredDns(settings, false);
  const containers = desiredContainers(settings, { files: () => [], user, down: false });
  const stack: StackView = {
    settings,
    containers: async (signal) =>
      (await docker.engine.containers(settings.project, signal)).filter((one) => one.ours),
    async memoryLimitBytes() {
      const text = await readText(`${settings.installation}/compose/compose.yaml`);
      return text === undefined ? 0 : memoryLimits(text, containers.compose.profiles);
    },
    async wantedImages(services, signal) {
      const present = await docker.engine.images(signal);
      const known = services.filter((service) => adapters.images.known.includes(service));
      const { images, missing } = await adapters.images.choose(
        known,
        new Set(present.keys()),
        containers.images,
        signal,
      );
      return Object.fromEntries([
        ...images.map(({ service, ref, kind }) => [service, { ref, kind, id: present.get(ref) }] as const),
        ...missing.map(({ service, ref, why }) => [service, { ref, gone: why }] as const),
      ]);
    },
    token: createTokenReader({
      api: settings.cloudflare.api,
      http,
      token: async () => secrets.read('cloudflare-token'),
    }),
    dns: async () => createDnsView(settings.dns.resolvers, http.lookup),
    authoritative: async () => endpointsOf(settings.dns.authoritative, http.lookup),
    wantedAddress: async (signal) => findAddress(dns.address, dns.api, http, signal),
    directory: acme.directory,
    account: async () => accountFile(acme.certificates, acme.directory).url(),
    publicHttp,
    served: {
      report: async (signal) =>
        proveTls(
          settings,
          {
            readText,
            trustedRoots: adapters.trustedRoots,
            http: publicHttp,
            identityKey: async () => secrets.read('pocket-id-static-api-key'),
            localCa: async () =>
              readLocalCa(await readText(settings.paths.localCaRoot), await secrets.read(localCaKey)),
          },
          signal,
        ),
      async dates(signal) {
        const { certificate } = await shakeHands(doorOf(ingress), ingress.mesh, { signal });
        return { fromMs: Date.parse(certificate.validFrom), toMs: Date.parse(certificate.validTo) };
      },
    },
    async redirects(signal) {
      const client = await pocketId.client(meshClientId, signal);
      return client && { callbacks: client.callbackURLs, logouts: client.logoutCallbackURLs };
    },
    stun: createStun(dialAddress(settings), settings.reachability.stun_port),
  };
  return {
    stack,
    close() {
      adapters.close();
    },
  };
};

/** What doctor looks at on this machine; `close` when it is done. `given`: the host, or why its settings are not valid. */
export const createDoctorView = (
  given: Context | { readonly broken: StackError },
  { env, home }: { readonly env: Readonly<Record<string, string | undefined>>; readonly home: string },
  signal: AbortSignal,
): { readonly view: DoctorView; readonly close: () => void } => {
  const docker = createDocker(env, home);
  const addressOf = 'broken' in given ? undefined : given.addressOf;
  const http = createHttp(addressOf === undefined ? {} : { addressOf });
  const base = { machine, engine: engineView(docker), http, systemDns: systemView() };
  if ('broken' in given) return { view: { ...base, stack: given }, close: http.close };
  const { stack, close } = stackView(given);
  return {
    view: { ...base, stack: { ...stack, known: knownOf(stack, signal) } },
    close() {
      close();
      http.close();
    },
  };
};
