import type { Step } from '../orchestrator/area.ts';
import { absent, conflict, unreachable, type Fact, type Facts } from '../orchestrator/facts.ts';
import { peopleGroup, type DesiredMesh } from './desired.ts';
import type { MeshAccount, MeshPolicy } from './netbird.ts';
import { pending, type MeshWorld } from './observe.ts';

export type MeshStep = Step & {
  readonly kind: 'await' | 'own' | 'renew-token' | 'settings' | 'people-group' | 'home-group' | 'policy';
};

type SeenMesh = Extract<MeshWorld, { seen: 'all' }>;

const upFacts = ({ domain }: DesiredMesh): readonly Fact[] => [
  'healthy:netbird-management',
  'ingress.ready',
  `certificate:${domain}`,
];
const dayMs = 86_400_000;
/** Days a service token lives, and how many must be left. */
export const tokenDays = { life: 180, left: 60 } as const;

const own = (desired: DesiredMesh, why: string, assumed: boolean): MeshStep => ({
  kind: 'own',
  id: 'make the administrator owner of the mesh',
  why,
  needs: [...upFacts(desired), ...(assumed ? (['mesh.api'] as const) : []), 'identity.client'],
  uses: ['netbird', 'pocket-id'],
  impact: 'none',
  deadlineMs: 60_000,
  ...(assumed ? { assumed } : {}),
});

const change = (kind: MeshStep['kind'], id: string, why: string, assumed: boolean): MeshStep => ({
  kind,
  id,
  why,
  needs: kind === 'people-group' ? ['mesh.owned', 'identity.client'] : ['mesh.owned'],
  uses: kind === 'people-group' ? ['netbird', 'pocket-id'] : ['netbird'],
  impact: 'none',
  deadlineMs: 30_000,
  ...(assumed ? { assumed } : {}),
});

const steps = {
  settings: (why: string, assumed = false) =>
    change('settings', 'set the account settings of the mesh', why, assumed),
  peopleGroup: (why: string, assumed = false) =>
    change('people-group', `bring group ${peopleGroup} into the mesh`, why, assumed),
  homeGroup: (name: string, why: string, assumed = false) =>
    change('home-group', `create mesh group ${name}`, why, assumed),
  policy: (name: string, why: string, assumed = false) =>
    change('policy', `set mesh policy "${name}"`, why, assumed),
};

/** What the account says of a setting, wherever it stands. */
const valueIn = (account: MeshAccount, key: string): unknown =>
  key === 'user_approval_required' ? account.settings.extra?.[key] : account.settings[key];

/** The settings that differ, as `name: seen, wanted`. */
export const settingsDifference = (desired: DesiredMesh, account: MeshAccount): readonly string[] =>
  Object.entries(desired.account)
    .filter(([key, wanted]) => valueIn(account, key) !== wanted)
    .map(([key, wanted]) => `${key} is ${String(valueIn(account, key))}, wanted ${String(wanted)}`);

/** The account with what is wanted changed and everything else as it was: NetBird replaces the whole. */
export const accountWith = (desired: DesiredMesh, account: MeshAccount): MeshAccount => {
  const { user_approval_required, ...wanted } = desired.account;
  return {
    ...account,
    settings: {
      ...account.settings,
      ...wanted,
      extra: { ...account.settings.extra, user_approval_required },
    },
    onboarding: { ...account.onboarding, signup_form_pending: false, onboarding_flow_pending: false },
  };
};

const homeGroupOf = (desired: DesiredMesh, world: SeenMesh) => {
  const group = world.groups.find((one) => one.name === desired.homeGroup);
  const ours =
    world.ids.homeGroup !== undefined &&
    (world.ids.homeGroup === group?.id || world.ids.homeGroup === pending);
  return {
    group,
    isForeign: group !== undefined && !ours,
    needsId: group !== undefined && world.ids.homeGroup === pending,
  };
};

const policyOf = (desired: DesiredMesh, world: SeenMesh) => {
  const found = world.policies.find((one) => one.id === world.ids.policy);
  const marked = world.policies.find(
    (one) => one.name === desired.policy.name && one.description === desired.policy.description,
  );
  return found ?? (world.ids.policy === pending ? marked : undefined);
};

const policyDiffers = (policy: MeshPolicy | undefined, desired: DesiredMesh): string | undefined => {
  if (policy === undefined) return `there is no policy "${desired.policy.name}"`;
  const [rule, ...others] = policy.rules;
  const names = (all: readonly { readonly name: string }[] | undefined) =>
    (all ?? []).map((one) => one.name).join(', ');
  const fits =
    policy.enabled &&
    others.length === 0 &&
    rule?.enabled === true &&
    rule.action === 'accept' &&
    names(rule.sources) === peopleGroup &&
    names(rule.destinations) === desired.homeGroup;
  return fits
    ? undefined
    : `the policy leads from "${names(rule?.sources)}" to "${names(rule?.destinations)}"`;
};

/** Why our service token is to be made anew; undefined where it is good. */
const renewalOf = ({ tokenExpiresAt, tokenCount, now }: SeenMesh): string | undefined => {
  if (tokenExpiresAt === undefined) return 'the token is not on the list';
  if (tokenCount > 1) return `our service user has ${tokenCount} tokens, and uses one`;
  return tokenExpiresAt.getTime() - now.getTime() < tokenDays.left * dayMs
    ? `it ends on ${tokenExpiresAt.toISOString().slice(0, 10)}`
    : undefined;
};

const planSeen = (desired: DesiredMesh, world: SeenMesh): readonly MeshStep[] => {
  if (!world.users.some((user) => user.role === 'owner'))
    return [own(desired, 'the mesh has no owner', false)];
  const plan: MeshStep[] = [];
  const tokenWhy = renewalOf(world);
  if (tokenWhy !== undefined)
    plan.push(change('renew-token', 'renew the service token of the mesh', tokenWhy, false));
  const differing = world.account === undefined ? [] : settingsDifference(desired, world.account);
  if (differing.length > 0) plan.push(steps.settings(differing.join('; ')));
  const hasPeople = world.groups.some((group) => group.name === peopleGroup);
  if (!hasPeople)
    plan.push(steps.peopleGroup('the mesh has not heard of this group yet', differing.length > 0));
  const home = homeGroupOf(desired, world);
  if (home.isForeign) return plan;
  if (home.group === undefined || home.needsId)
    plan.push(steps.homeGroup(desired.homeGroup, 'there is no such group of ours'));
  const policy = policyOf(desired, world);
  const notKept = policy?.id === world.ids.policy ? undefined : 'its id is not written down yet';
  const difference = policyDiffers(policy, desired) ?? notKept;
  if (difference !== undefined && hasPeople && home.group !== undefined)
    plan.push(steps.policy(desired.policy.name, difference));
  return plan;
};

const assumedAfterOwning = (desired: DesiredMesh): readonly MeshStep[] => [
  steps.settings('a new account does not have them', true),
  steps.homeGroup(desired.homeGroup, 'a new account does not have it', true),
  steps.policy(desired.policy.name, 'a new account does not have it', true),
];

/** The whole difference between the mesh as it is and as it should be. */
export const planMesh = (desired: DesiredMesh, world: MeshWorld): readonly MeshStep[] => {
  switch (world.seen) {
    case 'not-up':
    case 'unreachable':
      return [
        {
          kind: 'await',
          id: 'await the mesh API',
          why: world.text,
          needs: upFacts(desired),
          uses: [],
          impact: 'none',
          deadlineMs: 60_000,
          ...(world.seen === 'not-up' ? { assumed: true } : {}),
        },
        own(desired, 'nobody owns the mesh yet', true),
        ...assumedAfterOwning(desired),
      ];
    case 'no-token':
      return [own(desired, world.text, false), ...assumedAfterOwning(desired)];
    case 'all':
      return planSeen(desired, world);
  }
};

/** What the mesh states for others. */
export const meshFacts = (desired: DesiredMesh, world: MeshWorld): Facts => {
  if (world.seen === 'unreachable') {
    const why = unreachable(world.text, world.hint);
    return { 'mesh.api': why, 'mesh.owned': why, 'mesh.settings': why };
  }
  if (world.seen === 'not-up') {
    const why = absent(world.text);
    return { 'mesh.api': why, 'mesh.owned': why, 'mesh.settings': why };
  }
  if (world.seen === 'no-token') {
    const why = absent(world.text);
    return { 'mesh.api': true, 'mesh.owned': why, 'mesh.settings': why };
  }
  const isOwned = world.users.some((user) => user.role === 'owner');
  return {
    'mesh.api': true,
    'mesh.owned': isOwned ? true : absent('the mesh has no owner'),
    'mesh.settings': homeGroupOf(desired, world).isForeign
      ? conflict(
          `the mesh has a group "${desired.homeGroup}" that this stack did not make`,
          'rename or remove that group in the dashboard',
        )
      : planSeen(desired, world).length === 0
        ? true
        : absent('account settings, groups or policies are not as wanted yet'),
  };
};
