import { describe, expect, test } from 'vitest';
import { containerFacts } from '../../../src/containers/facts.ts';
import { bareWorld, container, desiredOf, goodWorld, readyWorld, service } from './worlds.ts';

const desired = desiredOf();
const whyOf = (facts: ReturnType<typeof containerFacts>, fact: keyof ReturnType<typeof containerFacts>) => {
  const stated = facts[fact];
  return stated === true || stated === undefined ? stated : `${stated.because}: ${stated.text}`;
};

test('everything is stated as true where everything is healthy', () => {
  const facts = containerFacts(desired, goodWorld());

  expect(Object.entries(facts).filter(([, why]) => why !== true)).toEqual([]);
  expect(Object.keys(facts)).toContain('healthy:postgres');
});

test('a bare machine gives a reason for every fact', () => {
  const facts = containerFacts(desired, bareWorld(desired));

  expect(whyOf(facts, 'folders.ready')).toBe('absent: /srv/skylab-lab is not there');
  expect(whyOf(facts, 'secrets.ready')).toMatch(/^absent: \d+ of our own secrets are not made yet$/);
  expect(whyOf(facts, 'prepared:nginx')).toBe('absent: the image of nginx is not here yet');
  expect(whyOf(facts, 'started:nginx')).toBe('absent: nginx has not been started yet');
  expect(whyOf(facts, 'healthy:nginx')).toBe('absent: nginx does not run yet');
});

describe('a service', () => {
  test('that runs with an older definition is neither started nor healthy', () => {
    const facts = containerFacts(
      desired,
      readyWorld({ containers: [container('nginx', { hash: 'older' })] }, ['nginx']),
    );

    expect(whyOf(facts, 'healthy:nginx')).toBe('absent: nginx runs with an older definition');
    expect(whyOf(facts, 'started:nginx')).toBe('absent: nginx has not been started yet');
    expect(facts['prepared:nginx']).toBe(true);
  });

  test.each(['docker.io/example/nginx:1', 'example/nginx:1@sha256:00'])(
    'whose Compose file names its image %s runs on an older one where that is so',
    (image) => {
      const present = new Map([
        ['example/nginx:1', 'newer'],
        ['example/nginx@sha256:00', 'newer'],
      ]);
      const model = { nginx: service('nginx', { image }) };
      const of = (imageId: string) =>
        containerFacts(
          desired,
          readyWorld({ present, model, containers: [container('nginx', { imageId })] }, ['nginx']),
        );

      expect(whyOf(of('older'), 'healthy:nginx')).toBe('absent: nginx runs on an older image');
      expect(of('newer')['healthy:nginx']).toBe(true);
    },
  );

  test('that has just started is started and not healthy', () => {
    const facts = containerFacts(
      desired,
      readyWorld({ containers: [container('nginx', { healthy: false })] }, ['nginx']),
    );

    expect(facts['started:nginx']).toBe(true);
    expect(whyOf(facts, 'healthy:nginx')).toBe('absent: nginx has started and is not healthy yet');
  });

  test('that the Engine restarts again and again is not healthy', () => {
    const restarting = container('nginx', { state: 'restarting', healthy: false });

    expect(
      whyOf(containerFacts(desired, readyWorld({ containers: [restarting] }, ['nginx'])), 'healthy:nginx'),
    ).toBe('absent: nginx has started and is not healthy yet');
  });
});

test('where the Engine does not answer, health is unknown and not wrong', () => {
  const engine = { code: 'ENGINE_UNREACHABLE', message: 'it does not answer', hint: 'start it' } as const;
  const facts = containerFacts(desired, readyWorld({ engine, model: undefined }));

  expect(whyOf(facts, 'engine.ready')).toBe('unreachable: it does not answer');
  expect(whyOf(facts, 'healthy:postgres')).toBe('unreachable: it does not answer');
  expect(whyOf(facts, 'host.services')).toBe('unreachable: it does not answer');
});

describe("the host's own services", () => {
  const model = { postgres: service('postgres'), provider: service('provider') };
  const services = ['postgres', 'provider'];

  test('are ready when all of them are healthy, whatever the stack does', () => {
    const facts = containerFacts(
      desired,
      readyWorld({ model, containers: [container('provider')] }, services),
    );

    expect(facts['host.services']).toBe(true);
    expect(facts['healthy:postgres']).not.toBe(true);
  });

  test('are not ready while one is not healthy', () => {
    const facts = containerFacts(
      desired,
      readyWorld({ model, containers: [container('postgres')] }, services),
    );

    expect(whyOf(facts, 'host.services')).toBe('absent: provider does not run yet');
  });

  test('are ready where there are none', () => {
    expect(containerFacts(desired, readyWorld({}, ['postgres']))['host.services']).toBe(true);
  });

  test('are not known where their file could not be read', () => {
    const facts = containerFacts(desired, readyWorld({ model: undefined, hasOverride: true }, ['postgres']));

    expect(whyOf(facts, 'host.services')).toBe("absent: the host's own Compose file could not be read yet");
  });
});

test('an image that others are built from is stated', () => {
  const world = readyWorld({ present: new Map([['base:1', 'id']]) });
  const actions = [{ kind: 'pull', ref: 'built:1', needs: ['base:1'] }] as const;
  const facts = containerFacts(desired, { ...world, images: { ...world.images, actions } });

  expect(facts['image:base:1']).toBe(true);
  expect(whyOf(facts, 'image:built:1')).toBe('absent: built:1 is not here yet');
});

test('a conflict is told as one, with what to do', () => {
  const conflicts = [{ code: 'PORT_TAKEN', service: 'nginx', message: 'held by x', hint: 'stop x' }] as const;
  const facts = containerFacts(desired, readyWorld({ conflicts }));

  expect(facts['prepared:nginx']).toEqual({ because: 'conflict', text: 'held by x', hint: 'stop x' });
  expect(facts['prepared:postgres']).toBe(true);
});

test('a conflict of the network concerns every service', () => {
  const conflicts = [{ code: 'SUBNET_TAKEN', service: undefined, message: 'taken', hint: 'choose' }] as const;
  const facts = containerFacts(desired, readyWorld({ conflicts }));

  expect(whyOf(facts, 'prepared:postgres')).toBe('conflict: taken');
  expect(whyOf(facts, 'prepared:nginx')).toBe('conflict: taken');
});
