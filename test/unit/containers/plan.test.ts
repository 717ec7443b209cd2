import { describe, expect, test } from 'vitest';
import { planContainers } from '../../../src/containers/plan.ts';
import type { ContainerStep } from '../../../src/containers/docker/steps.ts';
import type { World } from '../../../src/containers/facts.ts';
import { bareWorld, container, desiredOf, goodWorld, readyWorld, service, settingsOf } from './worlds.ts';

const planOf = (world: World, desired = desiredOf()) => planContainers(desired, world);
const idsOf = (steps: readonly ContainerStep[]) => steps.map((step) => step.id);
const stepOf = (steps: readonly ContainerStep[], id: string): ContainerStep => {
  const found = steps.find((step) => step.id === id);
  if (found === undefined) throw new Error(`no step "${id}" in ${idsOf(steps).join('; ')}`);
  return found;
};

describe('on a bare machine', () => {
  const desired = desiredOf();
  const steps = planOf(bareWorld(desired), desired);

  test('the plan is whole: every step of the run, in order', () => {
    expect(idsOf(steps)).toMatchInlineSnapshot(`
      [
        "prepare folders",
        "make secrets",
        "write files of postgres",
        "write files of nginx",
        "write compose.env",
        "get image example/postgres:1",
        "get image example/pocket-id:1",
        "get image example/netbird-signal:1",
        "get image example/nginx:1",
        "start postgres, netbird-signal",
        "start pocket-id",
        "start nginx",
        "await postgres",
        "await pocket-id",
        "await netbird-signal",
        "await nginx",
      ]
    `);
  });

  test('nothing is written before its folder, and no file before the secrets in it', () => {
    expect(stepOf(steps, 'make secrets').needs).toEqual(['folders.ready']);
    expect(stepOf(steps, 'write files of postgres').needs).toEqual(['folders.ready', 'secrets.ready']);
  });

  test('what cannot be known yet is marked as expected', () => {
    expect(idsOf(steps.filter((step) => step.assumed === true))).toEqual([
      'write files of postgres',
      'write files of nginx',
      'write compose.env',
      'start postgres, netbird-signal',
      'start pocket-id',
      'start nginx',
      'await postgres',
      'await pocket-id',
      'await netbird-signal',
      'await nginx',
    ]);
  });

  test('services with the same needs start together, after what each waits for', () => {
    expect(stepOf(steps, 'start postgres, netbird-signal').needs).toEqual([
      'engine.ready',
      'prepared:postgres',
      'prepared:netbird-signal',
    ]);
    expect(stepOf(steps, 'start pocket-id').needs).toContain('postgres.ready');
    expect(stepOf(steps, 'start nginx').needs).toContain('certificate:lab.localhost');
  });
});

describe('starting', () => {
  test('takes no step where everything is healthy', () => {
    expect(planOf(goodWorld())).toEqual([]);
  });

  test('starts only what differs, and says how', () => {
    const containers = [
      container('postgres'),
      container('pocket-id', { hash: 'older' }),
      container('netbird-signal', { state: 'exited', healthy: false }),
      container('nginx', { imageId: 'another' }),
    ];
    const steps = planOf(goodWorld({ containers }));

    expect(
      steps.filter((step) => step.kind === 'start').map((step) => [step.id, step.why, step.impact]),
    ).toEqual([
      ['start pocket-id', 'its definition or a file it reads has changed: pocket-id', 'restart'],
      ['start netbird-signal', 'not running: netbird-signal', 'none'],
      ['start nginx', 'its image is a newer one: nginx', 'restart'],
    ]);
  });

  test('waits for what runs and is not healthy yet', () => {
    const containers = [container('postgres', { healthy: false }), container('pocket-id')];
    const steps = planOf(readyWorld({ containers }, ['postgres', 'pocket-id']));

    expect(steps.map((step) => [step.id, step.needs])).toEqual([
      ['await postgres', ['engine.ready', 'started:postgres']],
    ]);
  });

  test('waits for a service only once what it depends on is healthy, since it ends until then', () => {
    const containers = [
      container('postgres', { healthy: false }),
      container('pocket-id', { healthy: false, state: 'restarting' }),
      container('netbird-management', { healthy: false, state: 'restarting' }),
      container('nginx', { healthy: false }),
    ];
    const services = containers.map((one) => one.service);
    const model = {
      ...readyWorld({}, services).model,
      'pocket-id': service('pocket-id', { after: ['postgres'] }),
    };
    const planned = (store: string) =>
      planOf(readyWorld({ containers, model }, services), desiredOf(settingsOf(`mesh: { store: ${store} }`)));
    const needsOf = (store: string) =>
      Object.fromEntries(planned(store).map((step) => [step.id.replace('await ', ''), step.needs.slice(1)]));

    expect(needsOf('sqlite')).toEqual({
      postgres: ['started:postgres'],
      'pocket-id': ['started:pocket-id', 'healthy:postgres'],
      'netbird-management': ['started:netbird-management'],
      nginx: ['started:nginx'],
    });
    expect(needsOf('postgres')['netbird-management']).toEqual([
      'started:netbird-management',
      'healthy:postgres',
    ]);
  });

  test('lets a service whose image is here start while others are still being fetched', () => {
    const world = readyWorld();
    const images = world.images.images.map((one) => ({ ...one, present: one.service !== 'postgres' }));
    const steps = planOf({ ...world, images: { ...world.images, images } });

    expect(idsOf(steps.filter((step) => step.kind === 'start'))).toEqual([
      'start postgres',
      'start pocket-id',
      'start netbird-signal',
      'start nginx',
    ]);
    expect(stepOf(steps, 'start postgres').needs).toContain('prepared:postgres');
    expect(stepOf(steps, 'start netbird-signal').needs).toEqual(['engine.ready']);
  });

  test("obeys depends_on of the host's own services", () => {
    const services = ['provider', 'authority'];
    const model = { provider: service('provider'), authority: service('authority', { after: ['provider'] }) };
    const steps = planOf(readyWorld({ model }, services));

    expect(stepOf(steps, 'start authority').needs).toEqual(['engine.ready', 'healthy:provider']);
  });

  test('starts a service that is there twice again, so that Compose removes one', () => {
    const twice = [container('netbird-signal'), container('netbird-signal', { id: 'second' })];
    const steps = planOf(readyWorld({ containers: twice }, ['netbird-signal']));

    expect(stepOf(steps, 'start netbird-signal').why).toBe('there twice: netbird-signal');
  });

  test('takes a one-shot service that ended well as done', () => {
    const ended = container('job', { state: 'exited', healthy: false });
    const model = { job: service('job', { oneShot: true }) };

    expect(planOf(readyWorld({ containers: [ended], model, done: new Set([ended.id]) }, ['job']))).toEqual(
      [],
    );
    expect(idsOf(planOf(readyWorld({ containers: [ended], model }, ['job'])))).toContain('start job');
  });
});

describe('files', () => {
  test('that are current with older versions beside them are only swept', () => {
    const state = { wanted: 'b', label: 'x', why: undefined, current: 'b', leftovers: ['a'] };
    const steps = planOf(goodWorld({ files: { postgres: state } }));

    expect(steps.map((step) => [step.id, step.why])).toEqual([
      ['write files of postgres', 'older versions are left'],
    ]);
  });

  test('whose secret another area makes wait for what the service itself waits for', () => {
    const state = { wanted: undefined, label: undefined, why: 'no key', current: undefined, leftovers: [] };
    const steps = planOf(readyWorld({ files: { nginx: state } }));

    expect(stepOf(steps, 'write files of nginx').needs).toContain('certificate:lab.localhost');
  });

  test('of one service that are not written yet hold the start of all, so that they start with one call', () => {
    const state = { wanted: 'b', label: 'x', why: undefined, current: undefined, leftovers: [] };
    const steps = planOf(readyWorld({ files: { postgres: state } }));

    expect(idsOf(steps.filter((step) => step.kind === 'start'))[0]).toBe('start postgres, netbird-signal');
    expect(stepOf(steps, 'start postgres, netbird-signal').assumed).toBe(true);
  });
});

test('compose.env is known by what it says, so that it may change more than once in a run', () => {
  const one = planOf(goodWorld({ envIsWritten: false, env: 'A=1\n' }));
  const other = planOf(goodWorld({ envIsWritten: false, env: 'A=2\n' }));

  expect(idsOf(one)).not.toEqual(idsOf(other));
});

describe('what stands in the way', () => {
  const problemOf = (steps: readonly ContainerStep[], id: string) => {
    const step = stepOf(steps, id);
    return step.kind === 'obstacle' ? step.problem.code : undefined;
  };

  test('an Engine that does not answer is said once, and everything else waits for it', () => {
    const engine = { code: 'ENGINE_UNREACHABLE', message: 'it does not answer', hint: 'start it' } as const;
    const steps = planOf(readyWorld({ engine, model: undefined }));

    expect(problemOf(steps, 'reach the Docker Engine')).toBe('ENGINE_UNREACHABLE');
    expect(
      steps.filter((step) => step.kind === 'start').every((step) => step.needs.includes('engine.ready')),
    ).toBe(true);
  });

  test('a port that is taken stops only its own service', () => {
    const conflicts = [
      { code: 'PORT_TAKEN', service: 'nginx', message: 'held by x', hint: 'stop it' },
    ] as const;
    const steps = planOf(readyWorld({ conflicts }));

    expect(problemOf(steps, 'clear the way for nginx')).toBe('PORT_TAKEN');
    expect(stepOf(steps, 'start nginx').needs).toContain('prepared:nginx');
    expect(stepOf(steps, 'start postgres, netbird-signal').assumed).toBeUndefined();
  });

  test('many ports of one service that are taken are said as one thing', () => {
    const taken = ['1', '2', '3'].map((port) => ({
      code: 'PORT_TAKEN' as const,
      service: 'nginx',
      message: `port ${port} is held by x`,
      hint: 'stop it',
    }));
    const steps = planOf(readyWorld({ conflicts: taken })).filter((step) => step.kind === 'obstacle');

    expect(steps.map((step) => [step.id, step.problem.message])).toEqual([
      ['clear the way for nginx', 'port 1 is held by x (and 2 more)'],
    ]);
  });

  test('an image that cannot be had is named', () => {
    const world = readyWorld();
    const missing = [{ service: 'nginx', ref: 'nginx:1', why: 'no answer' }];
    const steps = planOf({ ...world, images: { ...world.images, missing } });

    expect(problemOf(steps, 'find an image for nginx')).toBe('IMAGE_UNAVAILABLE');
  });

  test('a secret that sealed data is never made anew', () => {
    const name = 'pocket-id-encryption-key';
    const steps = planOf(
      readyWorld({ missingSecrets: [name, 'turn-secret'], lostSecrets: [name], env: undefined }),
    );
    const made = steps.find((step) => step.kind === 'secrets');

    expect(problemOf(steps, `bring back the secret ${name}`)).toBe('ENCRYPTION_KEY_CHANGED');
    expect(made?.secrets.map((one) => one.name)).toEqual(['turn-secret']);
  });
});

describe('what is not wanted any more', () => {
  test('is removed where it is ours, and left alone where it is not', () => {
    const containers = [...goodWorld().containers, container('old'), container('foreign', { ours: false })];

    expect(planOf(goodWorld({ containers })).map((step) => [step.id, step.impact])).toEqual([
      ['remove old', 'remove'],
    ]);
  });

  test('is not judged while the Compose files cannot be read', () => {
    const containers = [...goodWorld().containers, container('old')];
    const problems = [{ code: 'COMPOSE_FAILED', message: 'no', hint: 'mend it' }] as const;

    const world = goodWorld({ containers, model: undefined, problems, env: undefined, envIsWritten: false });

    expect(idsOf(planOf(world))).toEqual(['settle COMPOSE_FAILED']);
  });
});

describe('down', () => {
  const down = desiredOf(settingsOf(), true);

  test('stops what uses the database before the database', () => {
    const containers = [...goodWorld().containers, container('provider', { ours: true })];
    const [step] = planOf(readyWorld({ containers, services: [] }), down);

    expect(step?.kind === 'down' && step.first).toEqual(['pocket-id', 'netbird-signal', 'nginx']);
  });

  test('takes no step where nothing is left', () => {
    expect(planOf(readyWorld({ services: [] }), down)).toEqual([]);
  });

  test('removes a network that was left behind', () => {
    const network = { name: 'skylab-lab_default', project: 'skylab-lab', subnets: ['172.30.77.0/24'] };

    expect(idsOf(planOf(readyWorld({ services: [], network }), down))).toEqual(['take the stack down']);
  });
});

test('a new subnet moves the whole stack before anything starts', () => {
  const network = { name: 'skylab-lab_default', project: 'skylab-lab', subnets: ['172.29.0.0/24'] };
  const containers = [container('nginx', { hash: 'older' })];
  const steps = planOf(readyWorld({ containers, network }));

  expect(idsOf(steps)).toEqual(['move the stack to 172.30.77.0/24']);
});
