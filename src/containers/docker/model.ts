import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { exists, readText, writeAtomic } from '../../shared/files.ts';

/** One service as the merged Compose files describe it. */
export interface ComposeService {
  readonly hash: string;
  readonly image: string;
  /** Services that have to be healthy before this one starts. */
  readonly after: readonly string[];
  /** True for a service that ends by itself: nothing restarts it. */
  readonly oneShot: boolean;
  /** Ports of the host it publishes. */
  readonly ports: readonly { readonly address: string; readonly port: number; readonly protocol: string }[];
}

/** The merged Compose files, by name of the service; services of profiles that are off are not in it. */
export type ComposeModel = Readonly<Record<string, ComposeService>>;

const configured = z.looseObject({
  services: z.record(
    z.string(),
    z.looseObject({
      image: z.string().default(''),
      restart: z.string().default('no'),
      depends_on: z.record(z.string(), z.looseObject({ condition: z.string() })).default({}),
      ports: z
        .array(
          z.looseObject({
            host_ip: z.string().default('0.0.0.0'),
            published: z.string().optional(),
            protocol: z.string().default('tcp'),
          }),
        )
        .default([]),
    }),
  ),
});

const kept = z.record(
  z.string(),
  z.object({
    hash: z.string(),
    image: z.string(),
    after: z.array(z.string()),
    oneShot: z.boolean(),
    ports: z.array(z.object({ address: z.string(), port: z.number(), protocol: z.string() })),
  }),
);

const parseHashes = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split('\n').flatMap((line) => {
      const [service, hash] = line.trim().split(/\s+/);
      return service === undefined || hash === undefined ? [] : [[service, hash] as const];
    }),
  );

/** Reads what `config --format json` and `config --hash '*'` say. */
export const parseModel = (json: string, hashText: string): ComposeModel => {
  const hashes = parseHashes(hashText);
  return Object.fromEntries(
    Object.entries(configured.parse(JSON.parse(json)).services).map(([name, one]) => [
      name,
      {
        hash: hashes.get(name) ?? '',
        image: one.image,
        after: Object.entries(one.depends_on)
          .filter(([, { condition }]) => condition === 'service_healthy')
          .map(([dependency]) => dependency),
        oneShot: one.restart === 'no' || one.restart.startsWith('on-failure'),
        ports: one.ports.flatMap(({ host_ip: address, published, protocol }) =>
          published === undefined ? [] : [{ address, port: Number(published), protocol }],
        ),
      },
    ]),
  );
};

/** A model that was kept in a file; undefined where there is none that can be read. */
export const readModel = async (file: string): Promise<ComposeModel | undefined> => {
  const text = await readText(file);
  try {
    return text === undefined ? undefined : kept.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};

/** Keeps one model and forgets the older ones; a cache that cannot be written is no cache, and no error. */
export const keepModel = async (file: string, model: ComposeModel): Promise<void> => {
  const folder = dirname(file);
  if (!(await exists(dirname(folder)))) return;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const older = (await readdir(folder)).filter(
      (name) => name.startsWith('compose-') && name !== basename(file),
    );
    await writeAtomic(file, JSON.stringify(model), 0o600);
    await Promise.all(older.map(async (name) => rm(join(folder, name), { force: true })));
  } catch {
    return;
  }
};
