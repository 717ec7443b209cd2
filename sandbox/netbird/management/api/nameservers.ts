import { isIP } from 'node:net';
import * as z from 'zod';
import { done, invalid, json, notFound, type Answer } from '../answers.ts';
import { bodyOf, goBool, goInt, goString, goStrings } from '../go-body.ts';
import type { NameserverGroupRecord } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';

const wanted = z.object({
  name: goString,
  description: goString,
  enabled: goBool,
  primary: goBool,
  domains: goStrings,
  groups: goStrings,
  nameservers: z.array(z.object({ ip: goString, ns_type: goString, port: goInt })).nullish(),
  search_domains_enabled: goBool,
});
type Wanted = z.output<typeof wanted>;

const dnsSettings = z.object({ disabled_management_groups: goStrings });
const longestName = 40;
const mostServers = 3;

/** Nameserver groups, and the account's DNS settings. */
export const nameserverRoutes: readonly Route[] = [
  get('/api/dns/nameservers', (call, world) => {
    authorize(call.caller, 'nameservers', 'read');
    return json(world.store.document.nameserverGroups);
  }),
  post('/api/dns/nameservers', createGroup),
  get('/api/dns/nameservers/:id', (call, world) => {
    authorize(call.caller, 'nameservers', 'read');
    return json(groupOf(call, world));
  }),
  put('/api/dns/nameservers/:id', updateGroup),
  remove('/api/dns/nameservers/:id', (call, world) => {
    authorize(call.caller, 'nameservers', 'delete');
    const { document } = world.store;
    const group = groupOf(call, world);
    document.nameserverGroups = document.nameserverGroups.filter((one) => one !== group);
    world.store.save();
    return done();
  }),
  get('/api/dns/settings', (call, world) => {
    authorize(call.caller, 'dns', 'read');
    return json({ disabled_management_groups: world.store.document.disabledManagementGroups });
  }),
  put('/api/dns/settings', (call, world) => {
    const ids = bodyOf(dnsSettings, call.body).disabled_management_groups ?? [];
    authorize(call.caller, 'dns', 'update');
    refuseUnknownGroups(ids, world);
    world.store.document.disabledManagementGroups = ids;
    world.store.save();
    return json({ disabled_management_groups: ids });
  }),
];

function createGroup(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseUnreadableServers(body);
  authorize(call.caller, 'nameservers', 'create');
  const { document } = world.store;
  refuseInvalid(body, document.nameserverGroups, world);
  const group = recordOf(newXid(world.now()), body);
  document.nameserverGroups.push(group);
  world.store.save();
  return json(group);
}

function updateGroup(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseUnreadableServers(body);
  authorize(call.caller, 'nameservers', 'update');
  const { document } = world.store;
  const before = groupOf(call, world);
  const others = document.nameserverGroups.filter((one) => one !== before);
  refuseInvalid(body, others, world);
  const group = recordOf(before.id, body);
  document.nameserverGroups = document.nameserverGroups.map((one) => (one === before ? group : one));
  world.store.save();
  return json(group);
}

function refuseUnreadableServers(body: Wanted): void {
  const unreadable = (body.nameservers ?? []).some(
    ({ ip, ns_type }) => isIP(ip) === 0 || ns_type.toLowerCase() !== 'udp',
  );
  if (unreadable) throw invalid('invalid ns servers format');
}

function refuseInvalid(body: Wanted, others: readonly NameserverGroupRecord[], world: World): void {
  const domains = body.domains ?? [];
  if (body.primary && domains.length > 0) {
    throw invalid(
      'nameserver group primary status is true and domains are not empty, you should set either primary or domain',
    );
  }
  if (!body.primary && domains.length === 0) {
    throw invalid(
      'nameserver group primary status is false and domains are empty, it should be primary or have at least one domain',
    );
  }
  if (body.primary && body.search_domains_enabled) {
    throw invalid(
      'nameserver group primary status is true and search domains is enabled, you should not set search domains for primary nameservers',
    );
  }
  const odd = domains.find((domain) => !/^[a-z0-9*_]([a-z0-9._-]*[a-z0-9])?$/i.test(domain));
  if (odd !== undefined) {
    const why = `invalid domain name: invalid domain format: ${odd}`;
    throw invalid(`nameserver group got an invalid domain: ${odd} "${why}"`);
  }
  if (body.name === '' || body.name.length > longestName) {
    throw invalid('nameserver group name should be between 1 and 40');
  }
  if (others.some(({ name }) => name === body.name)) {
    throw invalid(`nameserver group with name ${body.name} already exist`);
  }
  const count = (body.nameservers ?? []).length;
  if (count === 0 || count > mostServers) {
    throw invalid(`the list of nameservers should be 1 or 3, got ${count}`);
  }
  if ((body.groups ?? []).length === 0) throw invalid('the list of group ids should not be empty');
  refuseUnknownGroups(body.groups ?? [], world);
}

function refuseUnknownGroups(ids: readonly string[], world: World): void {
  const missing = ids.find((id) => !world.store.document.groups.some((group) => group.id === id));
  if (missing !== undefined) throw invalid(`group id ${missing} not found`);
}

function groupOf(call: Call, world: World): NameserverGroupRecord {
  const id = call.params['id'] ?? '';
  const group = world.store.document.nameserverGroups.find((one) => one.id === id);
  if (group === undefined) throw notFound('nameserver group', id);
  return group;
}

const recordOf = (id: string, body: Wanted): NameserverGroupRecord => ({
  id,
  name: body.name,
  description: body.description,
  enabled: body.enabled,
  primary: body.primary,
  domains: body.domains ?? [],
  groups: body.groups ?? [],
  nameservers: body.nameservers ?? [],
  search_domains_enabled: body.search_domains_enabled,
});
