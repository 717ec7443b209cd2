import { describe, expect, test } from 'vitest';
import { catalogue, nodeImage } from '../../../src/containers/images/catalogue.ts';
import {
  chooseImages,
  familiarName,
  refsToAskFor,
  registryOf,
  type ImageWishes,
  type ImageWorld,
} from '../../../src/containers/images/resolve.ts';

const recipes = new Map(['base', ...Object.keys(catalogue)].map((folder) => [folder, `digest-of-${folder}`]));
const world = (more: Partial<ImageWorld> = {}): ImageWorld => ({
  present: new Set(),
  registries: new Map(),
  recipes,
  ...more,
});
const silent = new Map([['docker.io', 'connection refused']]);
const sandbox: ImageWishes = { overrides: {}, standIns: true };
const realHost: ImageWishes = { overrides: {}, standIns: false };
const base = 'skylab-local/base:digest-of-ba';

/** The refs that come out where no registry answers, found by choosing on an empty machine. */
const builtRef = (service: string, more: Partial<ImageWorld> = { registries: silent }): string =>
  chooseImages([service], world(more), sandbox).images[0]?.ref ?? '';

describe('the image of a service', () => {
  test('is the published one where it is on this machine, registry or not', () => {
    const present = new Set(['postgres:17.11-trixie']);
    const choice = chooseImages(['postgres'], world({ present, registries: silent }), sandbox);

    expect(choice.images).toEqual([
      { service: 'postgres', ref: 'postgres:17.11-trixie', source: 'local', kind: 'upstream', present: true },
    ]);
    expect(choice.actions).toEqual([]);
  });

  test.each([
    ['docker.io/library/postgres:17', 'postgres:17'],
    ['index.docker.io/pocketid/pocket-id:v2', 'pocketid/pocket-id:v2'],
    ['postgres', 'postgres:latest'],
    ['library/postgres', 'postgres:latest'],
    ['ghcr.io/library/thing:1', 'ghcr.io/library/thing:1'],
    ['localhost:5000/thing', 'localhost:5000/thing:latest'],
    ['docker.io/a/b@sha256:00', 'a/b@sha256:00'],
    ['docker.io/library/postgres:17.11-trixie@sha256:00', 'postgres@sha256:00'],
    ['localhost:5000/thing:1@sha256:00', 'localhost:5000/thing@sha256:00'],
  ])('named %s is the one that Docker lists as %s', (named, listed) => {
    const wishes = { overrides: { postgres: named }, standIns: false };
    const choice = chooseImages(['postgres'], world({ present: new Set([listed]) }), wishes);

    expect(familiarName(listed)).toBe(listed);
    expect(choice.images).toMatchObject([{ ref: listed, source: 'local', present: true }]);
    expect(refsToAskFor(['postgres'], world({ present: new Set([listed]) }), wishes)).toEqual([]);
  });

  test('is pulled where the registry answers', () => {
    const choice = chooseImages(['postgres'], world(), sandbox);

    expect(choice.images).toMatchObject([{ source: 'pulled', kind: 'upstream', present: false }]);
    expect(choice.actions).toEqual([{ kind: 'pull', ref: 'postgres:17.11-trixie', needs: [] }]);
  });

  test('has the same label before and after it was pulled, so that nothing is recreated for it', () => {
    const before = chooseImages(['nginx'], world(), sandbox).images[0];
    const after = chooseImages(['nginx'], world({ present: new Set(['nginx:1.30.4-trixie']) }), sandbox)
      .images[0];

    expect([after?.ref, after?.kind]).toEqual([before?.ref, before?.kind]);
    expect(after?.source).not.toBe(before?.source);
  });

  test('is built here where no registry answers: the base first, and once for all', () => {
    const choice = chooseImages(['postgres', 'nginx'], world({ registries: silent }), realHost);

    expect(choice.images).toMatchObject([
      { service: 'postgres', source: 'built', kind: 'built', present: false },
      { service: 'nginx', source: 'built', kind: 'built', present: false },
    ]);
    expect(choice.actions.map(({ kind, ref, needs }) => ({ kind, ref, needs }))).toEqual([
      { kind: 'make-base', ref: base, needs: [] },
      { kind: 'build', ref: builtRef('postgres'), needs: [base] },
      { kind: 'build', ref: builtRef('nginx'), needs: [base] },
    ]);
  });

  test('is not built twice, and not even its base is needed then', () => {
    const present = new Set([builtRef('postgres')]);
    const choice = chooseImages(['postgres'], world({ present, registries: silent }), sandbox);

    expect(choice.images).toMatchObject([{ source: 'built', present: true }]);
    expect(choice.actions).toEqual([]);
  });

  test('is built anew when its recipe or the base changes', () => {
    const changed = (folder: string) =>
      builtRef('postgres', { registries: silent, recipes: new Map(recipes).set(folder, 'another') });

    expect(new Set([builtRef('postgres'), changed('postgres'), changed('base')]).size).toBe(3);
  });

  test('is a stand-in only where the settings allow it, and says so in its name and kind', () => {
    const allowed = chooseImages(['pocket-id'], world({ registries: silent }), sandbox);
    const refused = chooseImages(['pocket-id'], world({ registries: silent }), realHost);

    expect(allowed.images).toMatchObject([{ source: 'stand-in', kind: 'stand-in' }]);
    expect(allowed.images[0]?.ref).toMatch(/^skylab-sandbox\/pocket-id:/);
    expect(refused).toEqual({
      images: [],
      missing: [{ service: 'pocket-id', ref: 'pocketid/pocket-id:v2.14.0', why: 'connection refused' }],
      actions: [],
    });
  });

  test('that the operator named is never replaced by another', () => {
    const wishes = { overrides: { postgres: 'example.org/postgres:17' }, standIns: true };
    const registries = new Map([['example.org', 'no route']]);
    const choice = chooseImages(['postgres'], world({ registries }), wishes);

    expect(choice.missing).toEqual([
      { service: 'postgres', ref: 'example.org/postgres:17', why: 'no route' },
    ]);
    expect(choice.actions).toEqual([]);
  });

  test('of a service that nobody knows is missing, with a reason', () => {
    expect(chooseImages(['unheard-of', 'constructor'], world(), sandbox).missing).toMatchObject([
      { service: 'unheard-of', why: 'no image is known for it' },
      { service: 'constructor', why: 'no image is known for it' },
    ]);
  });
});

describe('the renewer', () => {
  test('starts from the official Node image, which is pulled for it', () => {
    const choice = chooseImages(['certs'], world(), realHost);

    expect(choice.actions).toMatchObject([
      { kind: 'pull', ref: nodeImage },
      { kind: 'build', from: nodeImage, needs: [nodeImage] },
    ]);
  });

  test('starts from the local base where no registry answers', () => {
    const choice = chooseImages(['certs'], world({ registries: silent }), realHost);

    expect(choice.actions).toMatchObject([{ kind: 'make-base' }, { kind: 'build', from: base }]);
  });

  test('once built stays as it is when the registry comes or goes', () => {
    const present = new Set([builtRef('certs')]);
    const seen = (registries: ImageWorld['registries']) =>
      chooseImages(['certs'], world({ present, registries }), realHost);

    expect(seen(new Map())).toEqual(seen(silent));
    expect(seen(silent).actions).toEqual([]);
    expect(refsToAskFor(['certs'], { present, recipes }, realHost)).toEqual([]);
  });
});

describe('a registry', () => {
  test('is the host in front of the name, or the Engine’s own', () => {
    expect(
      ['nginx:1', 'pocketid/pocket-id:v2', 'example.org/a/b:1', 'localhost/a:1', '127.0.0.1:5000/a:1'].map(
        registryOf,
      ),
    ).toEqual(['docker.io', 'docker.io', 'example.org', 'localhost', '127.0.0.1:5000']);
  });

  test('is asked only for published images that are not here', () => {
    const present = new Set(['nginx:1.30.4-trixie']);
    const asked = refsToAskFor(['nginx', 'postgres', 'certs', 'pebble'], { present, recipes }, sandbox);

    expect(asked).toEqual(['postgres:17.11-trixie', nodeImage]);
  });
});
