import { join } from 'node:path';
import type { DesiredIngress } from '../../../../src/ingress/desired.ts';
import type { Door } from '../../../../src/ingress/probe.ts';
import { createAuthority, type Authority } from './authority.ts';
import { startNames, type Names } from './names.ts';
import { freePort } from '../../../support/ports.ts';
import { prepareNginx, type Nginx } from './nginx.ts';
import { startUpstream, type Upstream } from './upstream.ts';

export const mesh = 'netbird.skylab.localhost';
export const identity = 'pocketid.skylab.localhost';

const services = ['identity', 'management', 'signal', 'relay', 'dashboard'] as const;
export type Service = (typeof services)[number];

export interface Stack {
  readonly nginx: Nginx;
  readonly door: Door;
  readonly authority: Authority;
  readonly names: Names;
  readonly upstreams: Readonly<Record<Service, Upstream>>;
  readonly close: () => Promise<void>;
}

/** Everything around one nginx, with files and certificate in place and nothing started. */
export const prepareStack = async (
  programFolder: string,
  privateNames: DesiredIngress['privateNames'] = [],
  frontOf: (folder: string, port: number) => DesiredIngress['front'] = () => undefined,
): Promise<Stack> => {
  const started = await Promise.all(
    services.map(async (name) => [name, await startUpstream(name, { port: await freePort() })] as const),
  );
  const upstreams = Object.fromEntries(started) as Record<Service, Upstream>;
  const names = await startNames(Object.fromEntries(services.map((name) => [`${name}.test`, '127.0.0.1'])));
  const [port, healthPort, authority] = await Promise.all([freePort(), freePort(), createAuthority()]);
  const upstream = (name: Service) => ({ host: `${name}.test`, port: upstreams[name].port });
  const nginx = await prepareNginx(programFolder, (folder): DesiredIngress => ({
    domain: 'skylab.localhost',
    mesh,
    identity,
    names: [identity, mesh],
    privateNames,
    port,
    dialAddress: '127.0.0.1',
    certificateFile: join(folder, 'certificates', 'skylab.localhost', 'current', 'fullchain.pem'),
    privateCertificateFile: join(folder, 'certificates', 'local', 'current', 'fullchain.pem'),
    strictTransport: true,
    places: {
      files: join(folder, 'files'),
      certificates: join(folder, 'certificates'),
      scratch: join(folder, 'scratch'),
      socket: join(folder, 'run', 'nginx.sock'),
    },
    front: frontOf(folder, port),
    healthPort,
    resolver: names.address,
    upstreams: {
      identity: upstream('identity'),
      management: upstream('management'),
      signal: upstream('signal'),
      relay: upstream('relay'),
      dashboard: upstream('dashboard'),
    },
  }));
  await nginx.putCertificate(await authority.issue([identity, mesh]));
  await nginx.putFiles(nginx.desired);
  return {
    nginx,
    door: { address: '127.0.0.1', port },
    authority,
    names,
    upstreams,
    async close() {
      await nginx.stop();
      await Promise.all([...Object.values(upstreams).map(async (one) => one.close()), names.close()]);
    },
  };
};
