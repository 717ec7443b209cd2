import type { Area } from '../orchestrator/area.ts';
import type { Effects } from '../orchestrator/effects.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import type { Settings } from '../settings/settings.ts';
import { monotonicMs, sleep } from '../shared/clock.ts';
import { StackError } from '../shared/errors.ts';
import { desiredMesh, peopleGroup, type DesiredMesh } from './desired.ts';
import type { MeshAuth, NetBird } from './netbird.ts';
import { kept, observeMesh, pending, type MeshWorld } from './observe.ts';
import { accountWith, meshFacts, planMesh, settingsDifference, tokenDays, type MeshStep } from './plan.ts';
import { meshFiles } from './render.ts';

interface Ports {
  readonly netbird: NetBird;
  readonly secrets: SecretStore;
  readonly settings: Settings;
  /** An ID token of a person for the client `netbird`, made without a browser (given by oidc). */
  readonly idTokenOf: (username: string, effects: Effects, signal: AbortSignal) => Promise<string>;
  readonly now: () => Date;
}

const pollMs = 200;
/** The end of the step's time is for saying what was seen last. */
const sayingMs = 10_000;

const gone = (what: string): StackError =>
  new StackError('MESH_REFUSED', `NetBird does not show ${what} any more`, { hint: 'run npm run up again' });

/** NetBird as an area: owner, service token, account settings, groups and policy. */
export const createNetBirdArea = (ports: Ports): Area<DesiredMesh, MeshWorld, MeshStep> => {
  const { netbird, secrets, idTokenOf } = ports;
  const desired = desiredMesh(ports.settings);

  const serviceAuth = async (): Promise<MeshAuth> => {
    const serviceToken = await secrets.read(kept.token);
    if (serviceToken === undefined) throw gone('our service token');
    return { serviceToken };
  };
  const save = async (effects: Effects, name: string, value: string) =>
    effects.perform('file', `save ${name}`, async () => secrets.save(name, value));

  const untilAnswers = async (signal: AbortSignal) => {
    for (;;) {
      try {
        if (await netbird.answers(signal)) return;
      } catch (error) {
        if (!(error instanceof StackError) || error.code !== 'MESH_UNREACHABLE') throw error;
      }
      await sleep(pollMs, signal);
    }
  };

  /** Until the mesh is seen just as the next look will see it; that management answers something is less. */
  const untilSeen = async (patienceMs: number, signal: AbortSignal) => {
    const startedAtMs = monotonicMs();
    for (;;) {
      const world = await observeMesh(ports, signal);
      if (world.seen === 'all' || world.seen === 'no-token') return;
      if (monotonicMs() - startedAtMs > patienceMs)
        throw new StackError('DEADLINE', `after ${patienceMs / 1000} s still: ${world.text}`, {
          hint:
            'hint' in world
              ? world.hint
              : 'npm run -s logs -- --service netbird-management shows what it waits for',
        });
      await sleep(pollMs, signal);
    }
  };

  /**
   * Makes something that gets its id from NetBird: the intent is written first, so that after a kill in between the
   * thing found under this name is known to be ours.
   */
  const makeOnce = async (
    name: string,
    find: () => Promise<string | undefined>,
    create: () => Promise<string>,
    effects: Effects,
  ): Promise<string> => {
    const before = await secrets.read(name);
    const found = before === undefined ? undefined : await find();
    if (found !== undefined) {
      if (before !== found) await save(effects, name, found);
      return found;
    }
    await save(effects, name, pending);
    const id = await create();
    await save(effects, name, id);
    return id;
  };

  const setAccount = async (auth: MeshAuth, effects: Effects, signal: AbortSignal) => {
    const account = await netbird.account(auth, signal);
    if (account === undefined) throw gone('the account');
    if (settingsDifference(desired, account).length === 0) return;
    const whole = accountWith(desired, account);
    await effects.perform('http', `PUT /api/accounts/${account.id}`, async () =>
      netbird.putAccount(auth, whole, signal),
    );
  };

  /** A person who signs in brings the groups of the token along; made through the API they would never be synced. */
  const signIn = async (auth: MeshAuth, effects: Effects, signal: AbortSignal) =>
    effects.perform('http', 'GET /api/users/current', async () => netbird.currentUser(auth, signal));

  /** Makes a token, keeps it, and removes those before it, that of a run that ended before it was kept included. */
  const newToken = async (auth: MeshAuth, userId: string, effects: Effects, signal: AbortSignal) => {
    const old = await netbird.tokens(auth, userId, signal);
    const token = await effects.perform('http', `POST /api/users/${userId}/tokens`, async () =>
      netbird.createToken(auth, userId, tokenDays.life, signal),
    );
    await save(effects, kept.token, token);
    for (const one of old) {
      await effects.perform('http', `DELETE /api/users/${userId}/tokens/${one.id}`, async () =>
        netbird.deleteToken({ serviceToken: token }, userId, one.id, signal),
      );
    }
  };

  return {
    name: 'netbird',
    desired: desiredMesh,
    observe: async (_desired, signal) => observeMesh(ports, signal),
    facts: meshFacts,
    plan: planMesh,
    files: () => meshFiles(ports.settings),
    keeps: () => [
      {
        what: 'folder',
        name: ports.settings.paths.netbirdData,
        why: "NetBird's accounts, devices and policies",
      },
      { what: 'secret', name: 'netbird-datastore-key', why: "without it NetBird's data cannot be read" },
    ],
    apply: {
      await: async ({ deadlineMs }, _effects, signal) => untilSeen(deadlineMs - sayingMs, signal),
      async own(_step, effects, signal) {
        await untilAnswers(signal);
        const auth = { idToken: await idTokenOf(desired.adminUsername, effects, signal) };
        await signIn(auth, effects, signal);
        await setAccount(auth, effects, signal);
        await signIn(auth, effects, signal);
        const userId = await makeOnce(
          kept.serviceUser,
          async () => {
            const users = await netbird.users(auth, signal);
            return users.find((user) => user.is_service_user && user.name === desired.serviceUser)?.id;
          },
          async () =>
            effects.perform('http', 'POST /api/users', async () => {
              const user = await netbird.createServiceUser(auth, desired.serviceUser, signal);
              return user.id;
            }),
          effects,
        );
        await newToken(auth, userId, effects, signal);
      },
      async 'renew-token'(_step, effects, signal) {
        const auth = await serviceAuth();
        const userId = await secrets.read(kept.serviceUser);
        if (userId === undefined) throw gone('our service user');
        await newToken(auth, userId, effects, signal);
      },
      async settings(_step, effects, signal) {
        await setAccount(await serviceAuth(), effects, signal);
      },
      async 'people-group'(_step, effects, signal) {
        await signIn({ idToken: await idTokenOf(desired.adminUsername, effects, signal) }, effects, signal);
      },
      async 'home-group'(_step, effects, signal) {
        const auth = await serviceAuth();
        await makeOnce(
          kept.homeGroup,
          async () =>
            (await netbird.groups(auth, signal)).find((group) => group.name === desired.homeGroup)?.id,
          async () =>
            effects.perform('http', 'POST /api/groups', async () => {
              const group = await netbird.createGroup(auth, desired.homeGroup, signal);
              return group.id;
            }),
          effects,
        );
      },
      async policy(_step, effects, signal) {
        const auth = await serviceAuth();
        const groups = await netbird.groups(auth, signal);
        const idOf = (name: string) => {
          const id = groups.find((group) => group.name === name)?.id;
          if (id === undefined) throw gone(`the group ${name}`);
          return id;
        };
        const wanted = {
          ...desired.policy,
          sourceGroupId: idOf(peopleGroup),
          destinationGroupId: idOf(desired.homeGroup),
        };
        const put = async (id: string | undefined) =>
          effects.perform('http', `${id === undefined ? 'POST' : 'PUT'} /api/policies`, async () => {
            const policy = await netbird.putPolicy(auth, wanted, id, signal);
            return policy.id;
          });
        const existing = async () => {
          const keptId = await secrets.read(kept.policy);
          const all = await netbird.policies(auth, signal);
          const marked = all.find(
            (one) => one.name === wanted.name && one.description === wanted.description,
          );
          return (all.find((one) => one.id === keptId) ?? marked)?.id;
        };
        const found = await existing();
        if (found !== undefined) await put(found);
        await makeOnce(kept.policy, existing, async () => put(undefined), effects);
      },
    },
  };
};
