import type { AuthorizationRequest } from './authorization-request.ts';
import { hasConsented, needsConsent } from './consent.ts';
import type { Client, Interaction, InteractionStep } from './documents.ts';
import type { Service } from './service.ts';
import type { SessionClaims } from './session.ts';

const order: readonly InteractionStep[] = ['authenticate', 'select_account', 'reauthenticate', 'consent'];

/** Steps without repetition, in the order in which they are asked for. */
export const inOrder = (steps: readonly InteractionStep[]): readonly InteractionStep[] =>
  order.filter((step) => steps.includes(step));

interface Asked {
  readonly client: Client;
  readonly scopes: readonly string[];
  readonly prompt: readonly string[];
  readonly maxAgeS: number | undefined;
}

/** What a signed-in person still has to do before the client gets its code. */
export const stepsFor = async (
  service: Service,
  session: SessionClaims,
  asked: Asked,
): Promise<readonly InteractionStep[]> => {
  const { client, scopes, prompt, maxAgeS } = asked;
  const tooOld = maxAgeS !== undefined && service.now() >= (session.authenticatedAtS + maxAgeS) * 1000;
  const consented = await hasConsented(service, session.userId, client.id, scopes);
  const steps: InteractionStep[] = [];
  if (prompt.includes('select_account')) steps.push('select_account');
  if (prompt.includes('login') || client.requiresReauthentication || tooOld) steps.push('reauthenticate');
  if (needsConsent(consented, client, prompt)) steps.push('consent');
  return steps;
};

/** What is known to be due before anyone has signed in. */
export const stepsBeforeSignIn = (request: AuthorizationRequest): readonly InteractionStep[] => {
  const { client, prompt } = request;
  const steps: InteractionStep[] = ['authenticate'];
  if (prompt.includes('select_account')) steps.push('select_account');
  if (prompt.includes('login') || client.requiresReauthentication) steps.push('reauthenticate');
  if (prompt.includes('consent')) steps.push('consent');
  return steps;
};

/** What an interaction asks for, from the request that began it. */
export const askedBy = (interaction: Interaction, client: Client): Asked => {
  const maxAge = interaction.parameters['max_age'] ?? '';
  return {
    client,
    scopes: interaction.scopes,
    prompt: (interaction.parameters['prompt'] ?? '').split(' '),
    maxAgeS: maxAge === '' ? undefined : Number(maxAge),
  };
};

/** An interaction that another person takes over starts anew for that person. */
export const takenOverBy = async (
  service: Service,
  interaction: Interaction,
  client: Client,
  session: SessionClaims,
): Promise<Interaction> => {
  if (interaction.userId === null || interaction.userId === session.userId) return interaction;
  const steps = await stepsFor(service, session, askedBy(interaction, client));
  return { ...interaction, userId: session.userId, steps };
};
