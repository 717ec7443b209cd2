import type { SeenZone, TokenReader } from '../dns/wire/token-reader.ts';
import { nowMs } from '../shared/clock.ts';
import { isStackError } from '../shared/errors.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';

/** What a token may do, as far as it could be found out. */
export interface TokenFinding {
  readonly finding: Finding;
  /** Every zone that the token sees. */
  readonly zones: readonly SeenZone[];
  /** The zone of the domain; undefined where the token sees none. */
  readonly zone: SeenZone | undefined;
  /** False: it may read the zone and not edit it. Undefined where that was not asked. */
  readonly mayEdit: boolean | undefined;
}

const dayMs = 86_400_000;
const endsSoonDays = 30;

const make = (domain: string): string =>
  `make a token with the template "Edit zone DNS" for the zone ${domain} and put it where cloudflare.token says (docs/cloudflare.md)`;
const confirm = 'npm run -s doctor, and read the line of the token';

/** The most specific zone that a domain lies in. */
const zoneOf = (zones: readonly SeenZone[], domain: string): SeenZone | undefined =>
  zones
    .filter((zone) => domain === zone.name || domain.endsWith(`.${zone.name}`))
    .toSorted((a, b) => b.name.length - a.name.length)[0];

/** Codes by which nobody has judged the token: the API did not answer, or not now. */
const undecided = new Set(['DNS_API_UNREACHABLE', 'DNS_API_LIMITED', 'DNS_API_FAILED']);

const endText = (endsOn: string | undefined): string => {
  if (endsOn === undefined) return '';
  const days = Math.floor((Date.parse(endsOn) - nowMs()) / dayMs);
  const soon = days < endsSoonDays ? ': make a new one before that' : '';
  return `, until ${endsOn.slice(0, 10)} (${days} days)${soon}`;
};

/**
 * Looks what a token may do for a domain: whether it is taken, sees the zone, and may edit it. It writes nothing: the
 * right to edit is asked by removing a record that cannot exist. @throws the signal's reason
 */
export const examineToken = async (
  reader: TokenReader,
  domain: string,
  signal: AbortSignal,
): Promise<TokenFinding> => {
  const nothing = { zones: [], zone: undefined, mayEdit: undefined };
  try {
    const zones = await reader.zones(signal);
    const zone = zoneOf(zones, domain);
    if (zone === undefined) {
      const sees = zones.length === 0 ? 'no zone at all' : `only ${zones.map((one) => one.name).join(', ')}`;
      return {
        finding: failed(
          `the token is for another zone: it sees ${sees}, wanted ${domain}`,
          `${make(domain)}, or add the domain to the Cloudflare account first`,
          confirm,
        ),
        zones,
        zone,
        mayEdit: undefined,
      };
    }
    const [mayEdit, endsOn] = await Promise.all([reader.mayEdit(zone, signal), reader.endsOn(signal)]);
    if (!mayEdit) {
      const seen = `the token may read ${zone.name} and not edit it`;
      return { finding: failed(seen, make(zone.name), confirm), zones, zone, mayEdit };
    }
    return { finding: passed(`may edit ${zone.name}${endText(endsOn)}`), zones, zone, mayEdit };
  } catch (error) {
    signal.throwIfAborted();
    if (!isStackError(error)) throw error;
    if (undecided.has(error.code)) return { finding: unknown(error.message), ...nothing };
    return { finding: failed(error.message, error.hint, confirm), ...nothing };
  }
};
