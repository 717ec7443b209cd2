import type { TxtPort, TxtRecord } from '../orchestrator/ports.ts';
import { isStackError, StackError } from '../shared/errors.ts';
import type { DnsProvider, RecordFields, Zone, ZoneRecord } from './observe.ts';
import { isMarked } from './plan.ts';
import type { Propagation } from './propagation.ts';

/** Short, since a challenge's value is of use for minutes; the shortest the provider takes. */
const ttlSeconds = 60;
/** A delegation has one alias, sometimes two. */
const mostAliases = 8;

/** The API wants TXT values as quoted strings and gives them back quoted or not (libdns/cloudflare#13). */
const quoted = (value: string): string => `"${value}"`;
const unquoted = (content: string): string => /^"(.*)"$/s.exec(content)?.[1] ?? content;

const asTxtRecord = (
  zone: Zone,
  { id, name, content }: Pick<ZoneRecord, 'id' | 'name' | 'content'>,
): TxtRecord => ({
  id,
  zoneId: zone.id,
  name,
  value: unquoted(content),
});

/**
 * The TXT records of ACME's DNS-01 at the provider. A value may stand there already: from an answer that was lost, or
 * from a run that was killed. It is adopted by name and value, and carries our comment from then on.
 */
export const createTxtPort = (provider: DnsProvider, propagation: Propagation): TxtPort => {
  const adopt = async (zone: Zone, fields: RecordFields, signal: AbortSignal): Promise<string> => {
    const value = unquoted(fields.content);
    const there = await provider.records(zone, { name: fields.name, type: 'TXT' }, signal);
    const same = there.find((record) => unquoted(record.content) === value);
    if (same === undefined) {
      throw new StackError(
        'DNS_API_FAILED',
        `TXT ${fields.name} is refused as a double, and is not on the list`,
        {
          hint: 'run it again; if it stays so, remove the TXT records of that name by hand',
          data: { name: fields.name, seen: there.length },
        },
      );
    }
    if (same.comment !== fields.comment) await provider.update(zone, same.id, fields, signal);
    return same.id;
  };

  /** The zone of the name that an alias leads to. */
  const zoneOfTarget = async (from: string, target: string, signal: AbortSignal): Promise<Zone> => {
    try {
      return await provider.zoneOf(target, signal);
    } catch (error) {
      if (!isStackError(error) || error.code !== 'ZONE_NOT_FOUND') throw error;
      throw new StackError('ZONE_NOT_FOUND', `${from} is an alias of ${target}: ${error.message}`, {
        hint: 'let the token edit that zone too, or remove the alias',
        data: { ...error.data, from, target },
        cause: error,
      });
    }
  };

  return {
    async locate(name, signal) {
      const seen = [name.toLowerCase()];
      let at = seen[0] ?? name;
      let zone = await provider.zoneOf(at, signal);
      for (;;) {
        // Only a record of exactly that name: what a wildcard answers for it belongs to something else (go-acme/lego#1816).
        const [alias] = await provider.records(zone, { name: at, type: 'CNAME' }, signal);
        if (alias === undefined) return { name: at, domain: zone.name };
        const target = alias.content.toLowerCase().replace(/\.$/, '');
        if (seen.includes(target) || seen.length > mostAliases) {
          throw new StackError(
            'RECORD_CONFLICT',
            `${name} is an alias that leads nowhere: ${[...seen, target].join(' -> ')}`,
            {
              hint: 'remove one of these CNAME records',
              data: { name, seen: [...seen, target] },
            },
          );
        }
        zone = await zoneOfTarget(at, target, signal);
        seen.push(target);
        at = target;
      }
    },

    async present(name, value, comment, effects, signal) {
      const zone = await provider.zoneOf(name, signal);
      const fields = { type: 'TXT', name, content: quoted(value), ttlSeconds, comment } as const;
      const id = await effects.perform(
        'http',
        `create TXT ${name}`,
        async () => (await provider.create(zone, fields, signal)) ?? adopt(zone, fields, signal),
      );
      return { id, zoneId: zone.id, name, value };
    },

    async remove({ id, zoneId, name }, effects, signal) {
      await effects.perform('http', `remove TXT ${name}`, async () => provider.remove(zoneId, id, signal));
    },

    async leftovers(domain, commentPrefix, signal) {
      const zone = await provider.zoneOf(domain, signal);
      const all = await provider.records(zone, { type: 'TXT', commentPrefix }, signal);
      return all
        .filter(
          ({ name, comment }) =>
            isMarked(comment, commentPrefix) && (name === domain || name.endsWith(`.${domain}`)),
        )
        .map((record) => asTxtRecord(zone, record));
    },

    async untilPropagated(name, value, timeoutMs, signal) {
      const zone = await provider.zoneOf(name, signal);
      await propagation.untilShown(
        { zone: zone.name, nameServers: zone.nameServers, name, value, timeoutMs },
        signal,
      );
    },
  };
};
