import type { RecordingName } from './recording.ts';

/** Recorded lines that this suite does not replay, by their place among NetBird's lines, each with the reason. */
export const uncovered: Readonly<Record<RecordingName, Readonly<Record<number, string>>>> = {
  bootstrap: {},
  login: {},
  'netbird-admin': {
    35: 'the audit log: its recorded answer is cut off in the middle, so it is no JSON; nothing of ours reads it',
  },
};

/** A recorded field that cannot come out the same here; the rest of its line is compared. */
export interface Excused {
  readonly recording: RecordingName;
  readonly line: number;
  /** Path to the field inside the answer. */
  readonly field: readonly (string | number)[];
  readonly instead: unknown;
  readonly why: string;
}

const peers = 'recorded while four peers were connected; no peer joins here';
const used = 'recorded after four peers had used the key; no peer joins here';

export const excused = (version: string): readonly Excused[] => [
  { recording: 'login', line: 2, field: [0, 'peers'], instead: null, why: peers },
  { recording: 'login', line: 2, field: [0, 'peers_count'], instead: 0, why: peers },
  {
    recording: 'netbird-admin',
    line: 20,
    field: [0, 'last_used'],
    instead: '0001-01-01T00:00:00Z',
    why: used,
  },
  { recording: 'netbird-admin', line: 20, field: [0, 'used_times'], instead: 0, why: used },
  {
    recording: 'netbird-admin',
    line: 43,
    field: ['management_current_version'],
    instead: version,
    why: 'the version is what the server under test calls itself',
  },
];

/** What of the real servers the stand-ins leave out; asked for, they say so (501) or do not start. */
export const leftOut: readonly string[] = [
  'management: everything of peers (login, sync, jobs over gRPC; routes, posture checks, ingress): no peer joins a stand-in',
  'management: the audit log, geolocation, identity providers, invitations, agent network, reverse proxy: nothing of ours reads them',
  'management: stores other than sqlite, an IdP manager, OIDCConfigEndpoint, TLS, more than one account: refused at start',
  'management: metrics and the legacy port 33073: not opened',
  'signal and relay: what flows inside a connection: it is accepted and nothing is said',
  'relay: STUN, QUIC, TLS of its own, checking the secret of peers',
  'dashboard: the application; a page that says what it is stands in its place, and no login is completed',
];
