import { describe, expect, test } from 'vitest';
import {
  readContainers,
  readImages,
  readInspection,
  readPublishedPorts,
} from '../../../src/containers/docker/answers.ts';
import {
  parseListeners,
  parseRoutes,
  rangeOf,
  subnetsOverlap,
} from '../../../src/containers/docker/conflicts.ts';
import { diagnose } from '../../../src/containers/docker/diagnosis.ts';
import {
  checkComposeVersion,
  explainCompose,
  explainComposeFiles,
  explainEngine,
} from '../../../src/containers/docker/failures.ts';
import { parseModel } from '../../../src/containers/docker/model.ts';
import { isStackError } from '../../../src/shared/errors.ts';

const listed = (more: object = {}) => ({
  Id: 'a1',
  Names: ['/skylab-lab-nginx-1'],
  ImageID: 'sha256:1',
  State: 'running',
  Labels: {
    'com.docker.compose.project': 'skylab-lab',
    'com.docker.compose.service': 'nginx',
    'com.docker.compose.config-hash': 'h',
    'com.docker.compose.oneoff': 'False',
    'stack.skylab.host': 'lab',
  },
  Ports: [
    { IP: '127.0.0.1', PrivatePort: 443, PublicPort: 8443, Type: 'tcp' },
    { PrivatePort: 80, Type: 'tcp' },
  ],
  ...more,
});

describe("the Engine's answers", () => {
  test('show a container with its labels, healthy where the second list has it', () => {
    const [nginx] = readContainers([listed()], [listed()]);

    expect(nginx).toMatchObject({ service: 'nginx', hash: 'h', healthy: true, ours: true, oneOff: false });
    expect(readContainers([listed()], [])[0]?.healthy).toBe(false);
  });

  test('show a container without labels as nobody of ours', () => {
    expect(readContainers([listed({ Labels: null })], [])[0]).toMatchObject({ service: '', ours: false });
  });

  test('show only ports that are published', () => {
    expect(readPublishedPorts([listed(), listed({ Ports: null })])).toEqual([
      {
        container: 'skylab-lab-nginx-1',
        project: 'skylab-lab',
        service: 'nginx',
        address: '127.0.0.1',
        port: 8443,
        protocol: 'tcp',
      },
    ]);
  });

  test('show a container without a health check as having none', () => {
    const state = { Status: 'running', ExitCode: 0, OOMKilled: false, Error: '' };

    expect(readInspection({ RestartCount: 2, State: state })).toMatchObject({ health: 'none', restarts: 2 });
    expect(
      readInspection({ RestartCount: 0, State: { ...state, Health: { Status: 'unhealthy', Log: null } } }),
    ).toMatchObject({
      health: 'unhealthy',
      checks: [],
    });
  });

  test('name an image by its tags and by its digests', () => {
    const images = [
      { Id: 'i', RepoTags: ['nginx:1'], RepoDigests: ['nginx@sha256:2'] },
      { Id: 'j', RepoTags: null },
    ];

    expect([...readImages(images)]).toEqual([
      ['nginx:1', 'i'],
      ['nginx@sha256:2', 'i'],
    ]);
  });
});

test("Compose's answers become a model with hashes, order and ports", () => {
  const config = {
    services: {
      db: { image: 'postgres:17', restart: 'unless-stopped' },
      job: {
        image: 'job:1',
        depends_on: { db: { condition: 'service_healthy' }, x: { condition: 'service_started' } },
      },
      web: {
        image: 'web:1',
        restart: 'always',
        ports: [{ target: 80, published: '8080', host_ip: '127.0.0.1' }, { target: 81 }],
      },
    },
  };

  expect(parseModel(JSON.stringify(config), 'db h1\njob h2\nweb h3\n')).toEqual({
    db: { hash: 'h1', image: 'postgres:17', after: [], oneShot: false, ports: [] },
    job: { hash: 'h2', image: 'job:1', after: ['db'], oneShot: true, ports: [] },
    web: {
      hash: 'h3',
      image: 'web:1',
      after: [],
      oneShot: false,
      ports: [{ address: '127.0.0.1', port: 8080, protocol: 'tcp' }],
    },
  });
});

describe('what Compose says when it fails', () => {
  test.each([
    ['Bind for 127.0.0.1:18443 failed: port is already allocated', 'PORT_TAKEN'],
    ['failed to bind host port for 127.0.0.1:80: address already in use', 'PORT_TAKEN'],
    ['failed to create network x: Pool overlaps with other one on this address space', 'SUBNET_TAKEN'],
    ['write /var/lib/docker/tmp: no space left on device', 'DISK_FULL'],
    ['mkdir /x: read-only file system', 'DISK_READ_ONLY'],
    ['Error response from daemon: No such image: nginx:1', 'IMAGE_UNAVAILABLE'],
    ['Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?', 'ENGINE_UNREACHABLE'],
    ['permission denied while trying to connect to the Docker daemon socket', 'ENGINE_DENIED'],
    ['services.x.image must be a string', 'COMPOSE_FAILED'],
  ])('%s is %s', (text, code) => {
    const error = explainCompose('start nginx', 1, `line before\n${text}\n`);

    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    // A relay port may be some connection's for a moment: that alone is worth a second try.
    expect(error.retryAfterMs).toBe(code === 'PORT_TAKEN' ? 1000 : undefined);
  });

  test('what it says of its files is never the fault of the Engine', () => {
    expect(explainComposeFiles(1, 'yaml: unexpected EOF').code).toBe('COMPOSE_FAILED');
  });

  test('its last lines are part of the error, and no more than eight', () => {
    const error = explainCompose(
      'start nginx',
      1,
      Array.from({ length: 20 }, (_, at) => `line ${at}`).join('\n'),
    );

    expect(error.data['lines']).toEqual(Array.from({ length: 8 }, (_, at) => `line ${at + 12}`));
  });

  test.each([124, 137])('exit %d means that its time was over', (exitCode) => {
    expect(explainCompose('start nginx', exitCode, '').code).toBe('DEADLINE');
  });
});

describe('the version of Compose', () => {
  const check = (stdout: string, exitCode = 0) => {
    try {
      checkComposeVersion({ exitCode, stdout, stderr: 'unknown command', errno: undefined });
      return 'taken';
    } catch (error) {
      return isStackError(error) ? error.code : error;
    }
  };

  test.each([
    ['2.24.4', 'taken'],
    ['2.24.10', 'taken'],
    ['v2.26.1-4', 'taken'],
    ['5.0.2', 'taken'],
    ['2.24.3', 'COMPOSE_TOO_OLD'],
    ['2.9.9', 'COMPOSE_TOO_OLD'],
    ['1.29.2', 'COMPOSE_TOO_OLD'],
    ['what', 'COMPOSE_MISSING'],
  ])('%s: %s', (version, result) => {
    expect(check(version)).toBe(result);
  });

  test('that cannot be asked for means that there is none', () => {
    expect(check('', 1)).toBe('COMPOSE_MISSING');
  });
});

describe('what the Engine says when it fails', () => {
  const endpoint = { url: 'unix:///x.sock', certificates: undefined };
  const codeOf = (error: unknown) => {
    const explained = explainEngine(error, endpoint, 'list');
    return isStackError(explained) ? explained.code : explained;
  };
  const failure = (fields: object) => Object.assign(new Error('message'), fields);

  test.each([
    [{ code: 'ENOENT' }, 'ENGINE_UNREACHABLE'],
    [{ code: 'ECONNREFUSED' }, 'ENGINE_UNREACHABLE'],
    [{ code: 'ECONNRESET' }, 'ENGINE_UNREACHABLE'],
    [{ code: 'EACCES' }, 'ENGINE_DENIED'],
    [{ statusCode: 500 }, 'ENGINE_FAILED'],
  ])('%j is %s', (fields, code) => {
    expect(codeOf(failure(fields))).toBe(code);
  });

  test('an answer of an unknown form is a fault of the Engine, any other error stays what it is', () => {
    const bug = new TypeError('x is not a function');
    let unknownForm: unknown;
    try {
      readInspection({});
    } catch (error) {
      unknownForm = error;
    }

    expect(codeOf(unknownForm)).toBe('ENGINE_FAILED');
    expect(codeOf(bug)).toBe(bug);
  });

  test('an interruption stays what it is', () => {
    const reason = new Error('interrupted');
    const signal = AbortSignal.abort(reason);

    expect(explainEngine(failure({ code: 'ECONNRESET' }), endpoint, 'list', signal)).toBe(reason);
  });
});

describe('who holds what', () => {
  test('listeners are read with the program that this user may see', () => {
    const text = [
      'tcp LISTEN 0 511 0.0.0.0:8443 0.0.0.0:* users:(("nginx",pid=77,fd=4),("nginx",pid=78,fd=4))',
      'udp UNCONN 0 0 [::1]:3478 [::]:*',
      'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=9,fd=1))',
      '',
    ].join('\n');

    expect(parseListeners(text)).toEqual([
      {
        protocol: 'tcp',
        address: '0.0.0.0',
        port: 8443,
        program: 'nginx',
        pid: 77,
        holder: 'nginx (process 77)',
      },
      { protocol: 'udp', address: '::1', port: 3478, program: '', pid: undefined, holder: ' (process )' },
      {
        protocol: 'udp',
        address: '127.0.0.53',
        port: 53,
        program: 'systemd-resolve',
        pid: 9,
        holder: 'systemd-resolve (process 9)',
      },
    ]);
  });

  test('routes are read as the kernel writes them, without the default one', () => {
    const text = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    ].join('\n');

    expect(parseRoutes(text)).toEqual([{ subnet: '172.17.0.0/16', via: 'docker0' }]);
  });

  test.each([
    ['172.30.77.0/24', '172.30.0.0/16', true],
    ['172.30.77.0/24', '172.30.78.0/24', false],
    ['10.0.0.0/8', '10.255.255.255/32', true],
    ['172.30.77.0/24', 'fd00::/64', false],
  ])('%s and %s: %s', (a, b, overlap) => {
    expect(subnetsOverlap(a, b)).toBe(overlap);
    expect(subnetsOverlap(b, a)).toBe(overlap);
  });

  test('what is no subnet has no range', () => {
    expect(rangeOf('172.300.0.0/24')).toBeUndefined();
    expect(rangeOf('172.30.0.0')).toBeUndefined();
  });
});

describe('why a service does not become healthy', () => {
  const seen = {
    status: 'restarting',
    health: 'unhealthy',
    checks: ['connection refused'],
    exitCode: 1,
    restarts: 3,
    outOfMemory: false,
    error: '',
  } as const;
  const codeFor = (line: string) => diagnose('x', 'ends again and again', seen, ['first', line]).code;

  test.each([
    [
      'DETAIL:  The data directory was initialized by PostgreSQL version 16, which is not compatible',
      'DATA_FOREIGN',
    ],
    ['FATAL:  database files are incompatible with server', 'DATA_FOREIGN'],
    [
      'database version (20270101) is newer than application version (20260801), downgrades are not allowed',
      'DATA_FOREIGN',
    ],
    ['this database holds the data of a real Pocket ID; a stand-in does not touch it', 'DATA_FOREIGN'],
    ['failed to initialize: failed to decrypt private key: cipher', 'ENCRYPTION_KEY_CHANGED'],
    ['something else', 'SERVICE_UNHEALTHY'],
  ])('%s: %s', (line, code) => {
    expect(codeFor(line)).toBe(code);
  });

  test('the error carries how it ended and the last lines of its log', () => {
    const log = Array.from({ length: 30 }, (_, at) => `line ${at}`);
    const error = diagnose('nginx', 'ends again and again', seen, log);

    expect(error.message.split('\n').slice(0, 2)).toEqual([
      'nginx ends again and again: it ended with exit code 1',
      '  | line 18',
    ]);
    expect(error.message).toContain('line 29');
    expect(error.hint).toContain('npm run -s logs -- --service nginx');
  });

  test('running out of memory is said so, and a failing check is quoted', () => {
    expect(diagnose('x', 'ends', { ...seen, outOfMemory: true }, []).message).toContain(
      'it ran out of memory',
    );
    expect(diagnose('x', 'waits', { ...seen, status: 'running' }, []).message).toContain(
      'connection refused',
    );
  });
});
