import * as z from 'zod';

/** A container as the list shows it, with the labels that Compose and this stack put on it. */
export interface Container {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly state: string;
  /** Running, and its health check passes; without a check, running is enough. */
  readonly healthy: boolean;
  readonly imageId: string;
  /** Compose's digest of the service it was made from. */
  readonly hash: string;
  /** True when it carries this stack's label. */
  readonly ours: boolean;
  /** True for containers of `docker compose run`. */
  readonly oneOff: boolean;
  /** How its image was had: upstream, built or stand-in; empty where it is not ours. */
  readonly imageKind: string;
}

/** What only an inspection shows. */
export interface Inspection {
  readonly status: string;
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** What the last health checks said, newest last. */
  readonly checks: readonly string[];
  readonly exitCode: number;
  readonly restarts: number;
  readonly outOfMemory: boolean;
  readonly error: string;
}

export interface Network {
  readonly name: string;
  readonly project: string | undefined;
  readonly subnets: readonly string[];
}

/** A port of the host that a container holds. */
export interface PublishedPort {
  readonly container: string;
  readonly project: string | undefined;
  readonly service: string | undefined;
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
}

const containers = z.array(
  z.looseObject({
    Id: z.string(),
    Names: z.array(z.string()),
    ImageID: z.string(),
    State: z.string(),
    Labels: z.record(z.string(), z.string()).nullable(),
    Ports: z
      .array(
        z.looseObject({ IP: z.string().optional(), PublicPort: z.number().optional(), Type: z.string() }),
      )
      .nullish(),
  }),
);

const inspection = z.looseObject({
  RestartCount: z.number(),
  State: z.looseObject({
    Status: z.string(),
    ExitCode: z.number(),
    OOMKilled: z.boolean(),
    Error: z.string(),
    Health: z
      .looseObject({
        Status: z.enum(['none', 'starting', 'healthy', 'unhealthy', '']),
        Log: z.array(z.looseObject({ Output: z.string() })).nullish(),
      })
      .nullish(),
  }),
});

const networks = z.array(
  z.looseObject({
    Name: z.string(),
    Labels: z.record(z.string(), z.string()).nullish(),
    IPAM: z
      .looseObject({ Config: z.array(z.looseObject({ Subnet: z.string().optional() })).nullish() })
      .nullish(),
  }),
);

const images = z.array(
  z.looseObject({
    Id: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    RepoDigests: z.array(z.string()).nullish(),
  }),
);

const nameOf = (names: readonly string[]): string => (names[0] ?? '').replace(/^\//, '');

/** `all` and `healthy` are two answers of the list: the second one asked for what runs and is not unhealthy. */
export const readContainers = (all: unknown, healthy: unknown): readonly Container[] => {
  const good = new Set(containers.parse(healthy).map((one) => one.Id));
  return containers.parse(all).map((one) => {
    const labels = one.Labels ?? {};
    return {
      id: one.Id,
      name: nameOf(one.Names),
      service: labels['com.docker.compose.service'] ?? '',
      state: one.State,
      healthy: good.has(one.Id),
      imageId: one.ImageID,
      hash: labels['com.docker.compose.config-hash'] ?? '',
      ours: labels['stack.skylab.host'] !== undefined,
      oneOff: labels['com.docker.compose.oneoff'] === 'True',
      imageKind: labels['stack.skylab.image-kind'] ?? '',
    };
  });
};

export const readPublishedPorts = (all: unknown): readonly PublishedPort[] =>
  containers.parse(all).flatMap((one) =>
    (one.Ports ?? []).flatMap(({ IP, PublicPort, Type }) => {
      if (PublicPort === undefined) return [];
      const labels = one.Labels ?? {};
      return {
        container: nameOf(one.Names),
        project: labels['com.docker.compose.project'],
        service: labels['com.docker.compose.service'],
        address: IP ?? '0.0.0.0',
        port: PublicPort,
        protocol: Type,
      };
    }),
  );

export const readInspection = (answer: unknown): Inspection => {
  const { State, RestartCount } = inspection.parse(answer);
  const health = State.Health?.Status;
  return {
    status: State.Status,
    health: health === undefined || health === '' ? 'none' : health,
    checks: (State.Health?.Log ?? []).map((one) => one.Output.trim()),
    exitCode: State.ExitCode,
    restarts: RestartCount,
    outOfMemory: State.OOMKilled,
    error: State.Error,
  };
};

export const readNetworks = (answer: unknown): readonly Network[] =>
  networks.parse(answer).map((one) => ({
    name: one.Name,
    project: one.Labels?.['com.docker.compose.project'],
    subnets: (one.IPAM?.Config ?? []).flatMap(({ Subnet }) => (Subnet === undefined ? [] : [Subnet])),
  }));

/** Names of images, with tag or digest, and the image each stands for. */
export const readImages = (answer: unknown): ReadonlyMap<string, string> =>
  new Map(
    images
      .parse(answer)
      .flatMap((one) =>
        [...(one.RepoTags ?? []), ...(one.RepoDigests ?? [])].map((name) => [name, one.Id] as const),
      ),
  );
