import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  baseFile,
  baseServices,
  modelOf,
  sandboxFile,
  sandboxServices,
  textOf,
  whyNoCompose,
  type Service,
} from './model.ts';

/*
 * What holds for every service, whatever it is. An exception stands here with its reason, or it is a mistake.
 */

const writableRoot: Readonly<Record<string, string>> = {
  'netbird-dashboard': 'writes its addresses into its own pages at each start',
  pebble: 'Compose cannot put a configuration that stands in the Compose file into a read-only container',
};
const withoutHealthCheck: Readonly<Record<string, string>> = {
  pebble: 'the image holds one program and nothing that could ask it',
};
const rootUser: Readonly<Record<string, string>> = {
  'netbird-dashboard': 'its supervisor refuses to run as another user',
  'netbird-peer': 'makes a network interface',
};
const published: Readonly<Record<string, readonly string[]>> = {
  'pocket-id': ['127.0.0.1'],
  coturn: ['192.0.2.10'],
  nginx: ['192.0.2.10'],
  cloudflare: ['127.0.0.1'],
  pebble: ['127.0.0.1'],
};

const missing = whyNoCompose();
const model = missing === undefined ? modelOf([baseFile, sandboxFile]) : undefined;
const names = [...baseServices, ...sandboxServices];
const service = (name: string): Service => {
  const found = model?.services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
};

describe.skipIf(missing !== undefined)(`every service (needs docker compose; ${missing ?? 'found'})`, () => {
  test('is one that the rules are applied to', () => {
    expect(Object.keys(model?.services ?? {}).sort()).toEqual([...names].sort());
  });

  describe.each(names)('%s', (name) => {
    test('has a health check that is quick while it starts', () => {
      const check = service(name).healthcheck;

      if (name in withoutHealthCheck) {
        expect(check).toBeUndefined();
        return;
      }
      expect(check).toMatchObject({
        interval: '10s',
        timeout: '10s',
        retries: 3,
        start_period: '30s',
        start_interval: '500ms',
      });
    });

    test('comes back after a crash, and stays inside its memory and its logs', () => {
      const { restart, mem_limit: memory, logging } = service(name);

      expect(restart).toBe('always');
      expect(Number(memory)).toBeGreaterThanOrEqual(128 * 1024 * 1024);
      expect(logging).toEqual({ driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } });
    });

    test('has no right that it does not need', () => {
      const one = service(name);

      expect(one.cap_drop).toEqual(['ALL']);
      expect(one.security_opt).toEqual(['no-new-privileges:true']);
      expect(one.privileged).toBeUndefined();
      expect(one.read_only ?? false).toBe(!(name in writableRoot));
      if (name in rootUser) expect(one.user).toBeUndefined();
      else expect(one.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    });

    test('runs the image that was chosen, is never looked up in a registry, and says whose it is', () => {
      const { image, labels, pull_policy: pull } = service(name);

      expect(image).toBe(`example/${name}:1`);
      expect(pull).toBe('never');
      expect(labels).toEqual({
        'stack.skylab.host': 'Sample',
        'stack.skylab.files': `files-of-${name}`,
        'stack.skylab.image-kind': 'upstream',
        // It reads a configuration whose text Compose does not watch.
        ...(name === 'pebble' ? { 'stack.skylab.override': 'override-digest' } : {}),
      });
    });

    test('publishes ports only where it is allowed to', () => {
      const addresses = new Set((service(name).ports ?? []).map((port) => port.host_ip));

      expect([...addresses]).toEqual(published[name] ?? []);
    });

    test('mounts folders that are there already, no single files, and never the Engine', () => {
      for (const volume of service(name).volumes ?? []) {
        // A single file stays the old one when it is replaced by a rename.
        expect(volume.target).not.toMatch(/\.[a-z]+$/);
        expect(`${volume.source} ${volume.target}`).not.toMatch(/docker\.sock|\/var\/run|\/run\/docker/);
        if (volume.type === 'bind') expect(volume.source).toMatch(/^\/srv\//);
      }
    });

    test('uses neither env_file nor hooks', () => {
      const { env_file: file, post_start: start, pre_stop: stop } = service(name);

      expect([file, start, stop]).toEqual([undefined, undefined, undefined]);
    });
  });

  test('no secret can stand in an environment: only names of files that hold one', () => {
    const suspicious = names.flatMap((name) =>
      Object.keys(service(name).environment ?? {}).filter(
        (variable) =>
          /PASSWORD|SECRET|KEY|DSN|CONNECTION|TOKEN/.test(variable) && !variable.endsWith('_FILE'),
      ),
    );

    // The first says which of two tokens is used; the second is the sandbox's, and opens nothing but its name server.
    expect(suspicious).toEqual(['NETBIRD_TOKEN_SOURCE', 'TOKEN']);
  });
});

describe.each([baseFile, sandboxFile])('the text of %s', (file) => {
  interface Written {
    readonly services: Readonly<Record<string, { readonly volumes?: readonly unknown[] }>>;
  }
  const written = parse(textOf(file), { merge: true }) as Written;
  const mounts = Object.values(written.services).flatMap((one) => one.volumes ?? []);

  test('has every mount in the long form, and none that makes its own folder on the host', () => {
    expect(mounts.length).toBeGreaterThan(2);
    for (const mount of mounts) {
      expect(mount).toMatchObject({ type: expect.stringMatching(/^(bind|volume)$/) as unknown });
      const { type, bind } = mount as { type: string; bind?: unknown };
      if (type === 'bind') expect(bind).toEqual({ create_host_path: false });
    }
  });
});

test('the folder with the token of the DNS provider is mounted by the renewer alone, and no folder above it by anyone', () => {
  const { services } = parse(textOf(baseFile), { merge: true }) as {
    services: Readonly<Record<string, { readonly volumes?: readonly { readonly source?: string }[] }>>;
  };
  const state = '${SKYLAB_STATE:?}';
  const users = (folders: readonly string[]) =>
    Object.entries(services)
      .filter(([, { volumes = [] }]) => volumes.some(({ source }) => folders.includes(source ?? '')))
      .map(([name]) => name);

  expect(users([`${state}/services/certs`])).toEqual(['certs']);
  expect(users([`${state}/services`, state, `${state}/secrets`])).toEqual([]);
});

test('the folder with the public address is written by the renewer alone, and read by coturn alone', () => {
  const users = Object.entries(model?.services ?? {}).flatMap(([name, { volumes = [] }]) =>
    volumes
      .filter(({ source }) => source.endsWith('/public-address'))
      .map(({ read_only: readOnly }) => `${name} ${readOnly === true ? 'reads' : 'writes'}`),
  );

  expect(users).toEqual(missing === undefined ? ['certs writes', 'coturn reads'] : []);
});
