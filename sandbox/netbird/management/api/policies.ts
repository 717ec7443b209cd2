import * as z from 'zod';
import { done, invalid, json, notFound, type Answer } from '../answers.ts';
import { bodyOf, goBool, goInt, goString, goStrings } from '../go-body.ts';
import type { GroupRecord, PolicyRecord, RuleRecord } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';
import { groupSummaries } from './groups.ts';

const reference = z.object({ id: goString, type: goString }).nullish();
const rule = z.object({
  id: z.string().nullish(),
  name: goString,
  description: goString,
  enabled: goBool,
  action: goString,
  bidirectional: goBool,
  protocol: goString,
  ports: goStrings,
  port_ranges: z.array(z.object({ start: goInt, end: goInt })).nullish(),
  sources: goStrings,
  destinations: goStrings,
  sourceResource: reference,
  destinationResource: reference,
});
const wanted = z.object({
  name: goString,
  description: goString,
  enabled: goBool,
  rules: z.array(rule).nullish(),
  source_posture_checks: goStrings,
});
type Wanted = z.output<typeof wanted>;
type WantedRule = z.output<typeof rule>;

const protocols = ['all', 'tcp', 'udp', 'icmp', 'netbird-ssh'];

/** Access policies. A policy that names an unknown group is made without it, as by the real server. */
export const policyRoutes: readonly Route[] = [
  get('/api/policies', (call, world) => {
    authorize(call.caller, 'policies', 'read');
    const { policies, groups } = world.store.document;
    return json(policies.map((policy) => wire(policy, groups)));
  }),
  post('/api/policies', createPolicy),
  get('/api/policies/:id', (call, world) => {
    authorize(call.caller, 'policies', 'read');
    return json(wire(policyOf(call, world), world.store.document.groups));
  }),
  put('/api/policies/:id', updatePolicy),
  remove('/api/policies/:id', (call, world) => {
    authorize(call.caller, 'policies', 'delete');
    const { document } = world.store;
    const policy = policyOf(call, world);
    document.policies = document.policies.filter((one) => one !== policy);
    world.store.save();
    return done();
  }),
];

function createPolicy(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseInvalid(body);
  authorize(call.caller, 'policies', 'create');
  const { policies, groups } = world.store.document;
  const policy = recordOf(newXid(world.now()), body, groups);
  policies.push(policy);
  world.store.save();
  return json(wire(policy, groups));
}

function updatePolicy(call: Call, world: World): Answer {
  authorize(call.caller, 'policies', 'update');
  const { document } = world.store;
  const before = policyOf(call, world);
  const body = bodyOf(wanted, call.body);
  refuseInvalid(body);
  const foreign = body.rules?.find(({ id }) => id && !before.rules.some((known) => known.id === id));
  if (foreign !== undefined) throw invalid(`invalid rule id: ${foreign.id}`);
  const policy = recordOf(before.id, body, document.groups);
  document.policies = document.policies.map((one) => (one === before ? policy : one));
  world.store.save();
  return json(wire(policy, document.groups));
}

function refuseInvalid(body: Wanted): void {
  if (body.name === '') throw invalid("policy name shouldn't be empty");
  if ((body.rules ?? []).length === 0) throw invalid("policy rules shouldn't be empty");
  for (const one of body.rules ?? []) refuseInvalidRule(one);
}

function refuseInvalidRule(one: WantedRule): void {
  const hasSource = one.sources !== null || one.sourceResource;
  const hasDestination = one.destinations !== null || one.destinationResource;
  if (!hasSource || !hasDestination) {
    throw invalid('specify either sources or source resources and destinations or destination resources');
  }
  if (one.action !== 'accept' && one.action !== 'drop') throw invalid('unknown action type');
  if (!protocols.includes(one.protocol)) throw invalid(`unknown protocol type: ${one.protocol}`);
  const ports = one.ports ?? [];
  const ranges = one.port_ranges ?? [];
  if (ports.some((port) => !/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65_535)) {
    throw invalid('valid port value is in 1..65535 range');
  }
  if ((one.protocol === 'all' || one.protocol === 'icmp') && ports.length + ranges.length > 0) {
    throw invalid('for all or icmp protocol ports is not allowed');
  }
}

function recordOf(id: string, body: Wanted, groups: readonly GroupRecord[]): PolicyRecord {
  const known = (ids: readonly string[] | null): readonly string[] =>
    (ids ?? []).filter((one) => groups.some((group) => group.id === one));
  const rules: readonly RuleRecord[] = (body.rules ?? []).map((one) => ({
    id,
    name: one.name,
    description: one.description,
    enabled: one.enabled,
    action: one.action,
    bidirectional: one.bidirectional,
    protocol: one.protocol,
    ports: one.ports ?? [],
    portRanges: one.port_ranges ?? [],
    sources: known(one.sources),
    destinations: known(one.destinations),
    sourceResource: one.sourceResource ?? null,
    destinationResource: one.destinationResource ?? null,
  }));
  return {
    id,
    name: body.name,
    description: body.description,
    enabled: body.enabled,
    rules,
    // No posture check can exist here, so whatever is named is unknown and left out.
    sourcePostureChecks: body.source_posture_checks === null ? null : [],
  };
}

function policyOf(call: Call, world: World): PolicyRecord {
  const id = call.params['id'] ?? '';
  const policy = world.store.document.policies.find((one) => one.id === id);
  if (policy === undefined) throw notFound('policy', id);
  return policy;
}

const wire = (policy: PolicyRecord, groups: readonly GroupRecord[]) => ({
  description: policy.description,
  enabled: policy.enabled,
  id: policy.id,
  name: policy.name,
  rules: policy.rules.map((one) => ({
    action: one.action,
    bidirectional: one.bidirectional,
    description: one.description,
    ...(one.destinationResource === null ? {} : { destinationResource: one.destinationResource }),
    destinations: groupSummaries(one.destinations, groups),
    enabled: one.enabled,
    id: one.id,
    name: one.name,
    ...(one.portRanges.length === 0 ? {} : { port_ranges: one.portRanges }),
    ...(one.ports.length === 0 ? {} : { ports: one.ports }),
    protocol: one.protocol,
    ...(one.sourceResource === null ? {} : { sourceResource: one.sourceResource }),
    sources: groupSummaries(one.sources, groups),
  })),
  source_posture_checks: policy.sourcePostureChecks,
});
