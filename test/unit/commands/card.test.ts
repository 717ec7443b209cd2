import { describe, expect, test } from 'vitest';
import { closingCard } from '../../../src/commands/card.ts';
import type { Context } from '../../../src/context.ts';
import type { Stack } from '../../../src/orchestrator/areas.ts';
import type { Outcome } from '../../../src/orchestrator/converge.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { testSettings } from '../../support/settings.ts';
import { step } from '../../support/steps.ts';

const same = (text: string): string => text;
const style = { bold: same, dim: same, green: same, yellow: same, red: same };

const contextOf = (yaml = ''): Context =>
  ({
    settings: testSettings('/srv', yaml),
    terminal: { style, signal: AbortSignal.timeout(10_000) },
    effects: undefined,
  }) as unknown as Context;

const containers = (['upstream', 'built', 'stand-in'] as const).flatMap((imageKind) =>
  ['a', 'b'].map((service) => ({ service: `${imageKind}-${service}`, imageKind, ours: true, oneOff: false })),
);

interface World {
  readonly hasPasskey?: boolean;
  readonly error?: StackError;
}

const stackOf = ({ hasPasskey = false, error }: World = {}): Stack =>
  ({
    adapters: {
      docker: { engine: { containers: async () => Promise.resolve(containers) } },
      sessions: {
        hasPasskey: async () => (error === undefined ? Promise.resolve(hasPasskey) : Promise.reject(error)),
        signInLink: async () => Promise.resolve('https://pocketid.lab.localhost:18443/lc/abc'),
      },
    },
  }) as unknown as Stack;

const outcome: Outcome = {
  ran: [{ area: 'containers', step: step('start nginx') }],
  waiting: [],
  failures: [],
  unknown: [],
};

/** The line about the world outside, for a mode and the address that the ports are bound to. */
const outsideOf = async (mode: 'lan' | 'port', bind: string): Promise<string | undefined> => {
  const context = contextOf();
  const reachability = { ...context.settings.reachability, mode, bind };
  const settings = { ...context.settings, reachability };
  const text = await closingCard({ ...context, settings }, stackOf(), outcome);
  return text.split('\n').find((line) => line.startsWith('outside'));
};

describe('the card after a run', () => {
  test('says where things are, how to sign in, whom to trust, what is real and what comes next', async () => {
    const context = contextOf('');
    const { settings } = context;
    const certificates = { ...settings.certificates, trust: { url: 'https://ca.localhost/root' } };
    const card = await closingCard(
      { ...context, settings: { ...settings, certificates } },
      stackOf(),
      outcome,
    );

    expect(card).toMatchInlineSnapshot(`
      "
      The mesh is up.
      dashboard   https://netbird.lab.localhost:18443
      sign-on     https://pocketid.lab.localhost:18443
      first       alice has no passkey yet: open this once, within a day, and add one
                  https://pocketid.lab.localhost:18443/lc/abc
      trust       browsers take a passkey only from a certificate they trust; this stack has a CA of its own:
                  /srv/skylab-lab/certificates/roots/trust.pem
                  import it in your browser (Firefox: Settings, Certificates, Authorities; Chromium on Linux:
                  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n skylab -i /srv/skylab-lab/certificates/roots/trust.pem)
                  it is new whenever that CA starts anew; curl and programs: --cacert or SSL_CERT_FILE with the same file
      a device    netbird up --management-url https://netbird.lab.localhost:18443
      outside     does not work: everything is bound to this machine alone
      upstream    upstream-a, upstream-b
      built here  built-a, built-b
      stand-ins   stand-in-a, stand-in-b
      next        npm run status"
    `);
  });

  test('has no link once there is a passkey, and nothing to trust where the system does', async () => {
    const card = await closingCard(contextOf(), stackOf({ hasPasskey: true }), outcome);

    expect(card).not.toContain('first ');
    expect(card).not.toContain('trust ');
  });

  test('comes without the link where it could not be made', async () => {
    const error = new StackError('IDENTITY_UNREACHABLE', 'no answer', { hint: 'wait' });
    const card = await closingCard(contextOf(), stackOf({ error }), outcome);

    expect(card).toContain('The mesh is up.');
    expect(card).not.toContain('/lc/');
  });

  test('says for each way to reach the host what works outside the home', async () => {
    const loopback = await outsideOf('port', '127.0.0.1');

    expect([loopback, await outsideOf('port', '0.0.0.0'), await outsideOf('lan', '0.0.0.0')])
      .toMatchInlineSnapshot(`
      [
        "outside     does not work: everything is bound to this machine alone",
        "outside     works once your router forwards TCP 18443 and UDP 3478 to this machine",
        "outside     does not work, because reachability is "lan"; a device that leaves home loses its tunnel",
      ]
    `);
    expect(await outsideOf('lan', '::1')).toBe(loopback);
  });

  test('is one line where nothing was to do', async () => {
    const card = await closingCard(contextOf(), stackOf(), { ...outcome, ran: [] });

    expect(card).toBe('everything is as wanted: https://netbird.lab.localhost:18443');
  });
});
