import { randomUUID } from 'node:crypto';

import { requireAccess } from './access.ts';
import { found, seeOther } from './answer.ts';
import {
  type AuthorizationRequest,
  PageError,
  type Parameters,
  type Target,
  answerLocation,
  firstValues,
  readRequest,
  resolvePushed,
  resolveTarget,
} from './authorization-request.ts';
import { type Caller, sessionCaller } from './caller.ts';
import { recordConsent } from './consent.ts';
import type { Interaction, InteractionStep } from './documents.ts';
import { createGrant } from './grants.ts';
import { stepsBeforeSignIn, stepsFor, takenOverBy } from './interaction-steps.ts';
import { OAuthError } from './oauth-error.ts';
import { readForm } from './request-body.ts';
import { type App, type Call, type Service, nowS } from './service.ts';
import type { SessionClaims } from './session.ts';

const codeLifetimeMs = 15 * 60_000;
const interactionLifetimeMs = 60 * 60_000;

type SignedIn = Caller & { readonly session: SessionClaims };

const errorPage = (call: Call, message: string): Response =>
  found(call, `/interaction/error?${new URLSearchParams({ error: message }).toString()}`);

const interactionPage = (call: Call, id: string): Response => found(call, `/interaction?interaction=${id}`);

const beginInteraction = async (
  service: Service,
  request: AuthorizationRequest,
  userId: string | null,
  steps: readonly InteractionStep[],
): Promise<string> => {
  const id = randomUUID();
  await service.store.insert('interaction', id, {
    id,
    clientId: request.client.id,
    userId,
    parameters: request.parameters,
    scopes: request.scopes,
    steps,
    requestedAtS: nowS(service),
    expiresAtMs: service.now() + interactionLifetimeMs,
  });
  return id;
};

/** The steps still due; an interaction remembers which were taken. */
const remainingSteps = async (
  service: Service,
  request: AuthorizationRequest,
  session: SessionClaims,
  interaction: Interaction | undefined,
): Promise<readonly InteractionStep[]> => {
  if (interaction === undefined) return stepsFor(service, session, request);
  const current = await takenOverBy(service, interaction, request.client, session);
  await service.store.replace('interaction', current.id, current);
  return current.steps;
};

const issueCode = async (
  service: Service,
  request: AuthorizationRequest,
  session: SessionClaims,
  interaction: Interaction | undefined,
): Promise<string> => {
  const { client, scopes, nonce, redirectUri, codeChallenge, codeChallengeMethod } = request;
  const { token, id } = service.opaqueTokens.mint('authorization-code');
  await service.store.transaction(async (documents) => {
    if (interaction !== undefined && !(await documents.remove('interaction', interaction.id)))
      throw new OAuthError('invalid_request', 'The interaction session has already been used.');
    await recordConsent(documents, session.userId, client.id, scopes);
    const requestedAtS = interaction?.requestedAtS ?? nowS(service);
    const grant = await createGrant(documents, client, session, { scopes, nonce, requestedAtS });
    await documents.insert('authorization-code', id, {
      grantId: grant.id,
      clientId: client.id,
      redirectUri,
      codeChallenge,
      codeChallengeMethod,
      state: 'fresh',
      expiresAtMs: service.now() + codeLifetimeMs,
    });
  });
  return token;
};

const answerAnonymous = async (
  service: Service,
  call: Call,
  request: AuthorizationRequest,
): Promise<Response> => {
  if (request.prompt.includes('none')) throw new OAuthError('login_required');
  return interactionPage(call, await beginInteraction(service, request, null, stepsBeforeSignIn(request)));
};

const answerSignedIn = async (
  service: Service,
  call: Call,
  request: AuthorizationRequest,
  caller: SignedIn,
  interaction: Interaction | undefined,
): Promise<Response> => {
  const { user, session } = caller;
  requireAccess(user, request.client);
  const steps = await remainingSteps(service, request, session, interaction);
  if (request.prompt.includes('none') && steps.includes('consent')) throw new OAuthError('consent_required');
  if (request.prompt.includes('none') && steps.includes('reauthenticate'))
    throw new OAuthError('login_required');
  if (steps.length > 0)
    return interactionPage(
      call,
      interaction?.id ?? (await beginInteraction(service, request, user.id, steps)),
    );
  const code = await issueCode(service, request, session, interaction);
  return seeOther(call, answerLocation(service, request, { code, scope: request.scopes.join(' ') }));
};

/** A person who may not use the client learns it here; any other refusal goes to the client. */
const answerRefusal = (service: Service, call: Call, target: Target, error: unknown): Response => {
  if (!(error instanceof OAuthError)) throw error;
  if (error.code === 'access_denied') return errorPage(call, error.hint);
  const answer = { error: error.code, error_description: error.message };
  return seeOther(call, answerLocation(service, target, answer));
};

const resumedInteraction = async (service: Service, id: string): Promise<Interaction> => {
  const interaction = await service.store.get('interaction', id);
  if (interaction === undefined || interaction.expiresAtMs <= service.now())
    throw new PageError('The interaction session is invalid or has expired.');
  return interaction;
};

const decide = async (service: Service, call: Call, given: Parameters): Promise<Response> => {
  const caller = await sessionCaller(service, call);
  const resumed = given['interaction'] ?? '';
  const interaction = resumed === '' ? undefined : await resumedInteraction(service, resumed);
  const parameters = interaction?.parameters ?? (await resolvePushed(service, given));
  const target = await resolveTarget(service, parameters);
  try {
    const request = readRequest(target, parameters);
    const pushed = parameters !== given;
    if (target.client.requiresPushedAuthorizationRequests && !pushed)
      throw new OAuthError('invalid_request', 'This client must push its authorization requests.');
    if (caller !== undefined) return await answerSignedIn(service, call, request, caller, interaction);
    if (interaction !== undefined && interaction.userId !== null) throw new OAuthError('login_required');
    return await answerAnonymous(service, call, request);
  } catch (error) {
    return answerRefusal(service, call, target, error);
  }
};

/** The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core 1.0 §3.1.2, RFC 9207 for `iss`). */
export const addAuthorizeRoutes = (app: App, service: Service): void => {
  app.on(['GET', 'POST'], '/authorize', async (call) => {
    const given = {
      ...firstValues(new URL(call.req.url).searchParams),
      ...firstValues(call.req.method === 'POST' ? await readForm(call) : new URLSearchParams()),
    };
    try {
      return await decide(service, call, given);
    } catch (error) {
      if (error instanceof PageError) return errorPage(call, error.message);
      throw error;
    }
  });
};
