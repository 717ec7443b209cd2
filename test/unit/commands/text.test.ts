import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/orchestrator/converge.ts';
import { absent, conflict, unreachable } from '../../../src/orchestrator/facts.ts';
import type { Report } from '../../../src/orchestrator/report/check.ts';
import type { Event } from '../../../src/orchestrator/report/event.ts';
import { jsonReporter } from '../../../src/orchestrator/report/json.ts';
import { plainReporter } from '../../../src/orchestrator/report/plain.ts';
import {
  durationText,
  errorText,
  exitCodeOfOutcome,
  outcomeText,
  reportText,
  type Style,
} from '../../../src/orchestrator/report/text.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { step } from '../../support/steps.ts';

const plain: Style = {
  bold: (text) => text,
  dim: (text) => text,
  green: (text) => text,
  yellow: (text) => text,
  red: (text) => text,
};
/** Shows where colour begins and ends. */
const marked: Style = {
  bold: (text) => `<b>${text}</b>`,
  dim: (text) => `<dim>${text}</dim>`,
  green: (text) => `<green>${text}</green>`,
  yellow: (text) => `<yellow>${text}</yellow>`,
  red: (text) => `<red>${text}</red>`,
};

const denied = new StackError('DNS_API_DENIED', 'cannot list zones: the token is unknown', {
  hint: 'make a new token',
  data: { status: 403 },
});
const taken = new StackError('PORT_TAKEN', 'nginx needs port 0.0.0.0:443/tcp, which is held by caddy', {
  hint: 'stop that program',
});
const nothing: Outcome = { ran: [], waiting: [], failures: [], unknown: [] };

test('an error is three lines: what, how to mend it, where to read on', () => {
  expect(errorText(denied, marked)).toMatchInlineSnapshot(`
    "<red>error[DNS_API_DENIED]</red>: cannot list zones: the token is unknown
      fix: make a new token
      see: docs/errors.md#dns_api_denied"
  `);
});

test('a duration is whole milliseconds, then seconds with one digit', () => {
  expect([0.4, 12.6, 949, 950, 61_234].map(durationText)).toEqual([
    '0 ms',
    '13 ms',
    '949 ms',
    '0.9 s',
    '61.2 s',
  ]);
});

describe('what is left after a run', () => {
  test('nothing left is no text, and 0', () => {
    expect([outcomeText(nothing, plain), exitCodeOfOutcome(nothing)]).toEqual(['', 0]);
  });

  test('each failure comes with its step; what waits for it is counted', () => {
    const outcome: Outcome = {
      ...nothing,
      failures: [{ area: 'containers', step: step('clear the way for nginx'), error: taken }],
      waiting: [
        {
          area: 'containers',
          step: step('start nginx'),
          unmet: [{ fact: 'prepared:nginx', why: conflict('held by caddy', 'stop it') }],
        },
        { area: 'ingress', step: step('await nginx reload'), unmet: [] },
      ],
    };

    expect(outcomeText(outcome, plain)).toMatchInlineSnapshot(`
      "error[PORT_TAKEN]: nginx needs port 0.0.0.0:443/tcp, which is held by caddy
        fix: stop that program
        see: docs/errors.md#port_taken
        while: clear the way for nginx
      waiting: 2 steps, first: start nginx"
    `);
    expect(exitCodeOfOutcome(outcome)).toBe(3);
  });

  test('the same error of several steps is said once, with all of them', () => {
    const outcome: Outcome = {
      ...nothing,
      failures: [
        { area: 'dns', step: step('find the zone of example.org'), error: denied },
        { area: 'containers', step: step('clear the way for nginx'), error: taken },
        { area: 'acme', step: step('issue certificate for example.org'), error: denied },
      ],
    };

    expect(outcomeText(outcome, plain)).toMatchInlineSnapshot(`
      "error[DNS_API_DENIED]: cannot list zones: the token is unknown
        fix: make a new token
        see: docs/errors.md#dns_api_denied
        while: find the zone of example.org; issue certificate for example.org
      error[PORT_TAKEN]: nginx needs port 0.0.0.0:443/tcp, which is held by caddy
        fix: stop that program
        see: docs/errors.md#port_taken
        while: clear the way for nginx"
    `);
  });

  test('steps that wait for something outside come with its reason and what to do', () => {
    const why = unreachable('no valid certificate: the authority does not answer', 'wait, then run it again');
    const outcome: Outcome = {
      ...nothing,
      waiting: [
        {
          area: 'containers',
          step: step('start nginx'),
          unmet: [{ fact: 'certificate:example.org', why }],
        },
        {
          area: 'netbird',
          step: step('make the administrator owner of the mesh'),
          unmet: [{ fact: 'ingress.ready', why: absent('nginx is not healthy yet') }],
        },
      ],
      unknown: [{ fact: 'ca.api', why: unreachable('the authority does not answer') }],
    };

    expect(outcomeText(outcome, plain)).toMatchInlineSnapshot(`
      "waiting: 2 steps, first: start nginx
          no valid certificate: the authority does not answer
          fix: wait, then run it again
      warning: the authority does not answer"
    `);
    expect(exitCodeOfOutcome(outcome)).toBe(3);
  });

  test('what nobody could look at is a warning, and 0', () => {
    const why = unreachable('the DNS provider does not answer', 'check the network');
    const outcome: Outcome = {
      ...nothing,
      unknown: [
        { fact: 'dns.records', why },
        { fact: 'ca.api', why },
      ],
    };

    expect(outcomeText(outcome, plain)).toMatchInlineSnapshot(`
      "warning: the DNS provider does not answer
          fix: check the network"
    `);
    expect(exitCodeOfOutcome(outcome)).toBe(0);
  });

  test('what a person has to decide is a warning too, and 3', () => {
    const why = conflict('netbird.example.org is CNAME elsewhere', 'remove it, or --adopt');

    expect(exitCodeOfOutcome({ ...nothing, unknown: [{ fact: 'dns.records', why }] })).toBe(3);
  });

  test('the exit code is that of the first failure', () => {
    const usage = new StackError('SECRET_UNREADABLE', 'no token', { hint: 'make one' });
    const failures = [usage, taken].map((error) => ({ area: 'dns' as const, step: step('x'), error }));

    expect(exitCodeOfOutcome({ ...nothing, failures })).toBe(78);
  });
});

test('a report is one line a check; what failed says how to mend it', () => {
  const report: Report = {
    subject: 'login',
    checks: [
      {
        id: 'a',
        title: 'the issuer is the configured one',
        status: 'passed',
        detail: 'https://a',
        required: true,
      },
      { id: 'b', title: 'a re-used code is refused', status: 'passed', detail: '', required: true },
      {
        id: 'c',
        title: 'the keys are RSA',
        status: 'failed',
        detail: 'seen: none',
        fix: 'restart Pocket ID',
        required: true,
      },
      {
        id: 'd',
        title: 'the mesh accepts the token',
        status: 'skipped',
        detail: 'no token',
        required: false,
      },
    ],
  };

  expect(reportText(report, plain)).toMatchInlineSnapshot(`
    "✓ the issuer is the configured one (https://a)
    ✓ a re-used code is refused
    ✗ the keys are RSA (seen: none)
        fix: restart Pocket ID
    - the mesh accepts the token (no token)
    login: 2 passed, 1 failed, 1 skipped"
  `);
});

describe('progress', () => {
  const one = step('start postgres', { why: 'not there yet: postgres' });
  const events: readonly Event[] = [
    { type: 'looking' },
    { type: 'started', area: 'containers', step: one },
    { type: 'effect', kind: 'compose', what: 'up postgres', number: 1 },
    { type: 'failed', area: 'containers', step: one, error: denied, willRetry: true },
    { type: 'done', area: 'containers', step: one, durationMs: 1234 },
    { type: 'failed', area: 'containers', step: one, error: taken, willRetry: false },
  ];
  const lines = (verbose: boolean): string => {
    const written: string[] = [];
    const emit = plainReporter({ write: (line) => written.push(line), style: plain, verbose });
    for (const event of events) emit(event);
    return written.join('\n');
  };

  test('is a line for what is finished', () => {
    expect(lines(false)).toMatchInlineSnapshot(`
      "! start postgres: cannot list zones: the token is unknown; trying again
      ✓ start postgres (1.2 s)
      ✗ start postgres: nginx needs port 0.0.0.0:443/tcp, which is held by caddy"
    `);
  });

  test('with --verbose also one for what begins and for each effect', () => {
    expect(lines(true)).toMatchInlineSnapshot(`
      "… start postgres: not there yet: postgres
          1 compose up postgres
      ! start postgres: cannot list zones: the token is unknown; trying again
      ✓ start postgres (1.2 s)
      ✗ start postgres: nginx needs port 0.0.0.0:443/tcp, which is held by caddy"
    `);
  });

  test('with --json is one document a line, errors with their fix', () => {
    const written: string[] = [];
    const emit = jsonReporter((line) => written.push(line));
    for (const event of events) emit(event);
    const documents = written.map((line) => JSON.parse(line) as Record<string, unknown>);

    expect(documents.map((document) => document['type'])).toEqual(events.map((event) => event.type));
    expect(documents[3]?.['error']).toMatchInlineSnapshot(`
      {
        "code": "DNS_API_DENIED",
        "data": {
          "status": 403,
        },
        "fix": "make a new token",
        "message": "cannot list zones: the token is unknown",
      }
    `);
  });
});
