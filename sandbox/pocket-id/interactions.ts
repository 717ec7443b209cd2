import { json } from './answer.ts';
import { invalidFields, invalidRequest, notFound } from './api-error.ts';
import { requireSession } from './caller.ts';
import { recordConsent } from './consent.ts';
import type { Client, Interaction } from './documents.ts';
import { askedBy, inOrder, stepsFor, takenOverBy } from './interaction-steps.ts';
import { readFields } from './request-body.ts';
import type { App, Service } from './service.ts';
import type { SessionClaims } from './session.ts';
import { clientSummary } from './views.ts';

interface Found {
  readonly interaction: Interaction;
  readonly client: Client;
}

const existingInteraction = async (service: Service, id: string): Promise<Found> => {
  const interaction = await service.store.get('interaction', id);
  const client =
    interaction === undefined ? undefined : await service.store.get('client', interaction.clientId);
  if (interaction === undefined || client === undefined || interaction.expiresAtMs <= service.now())
    throw notFound();
  return { interaction, client };
};

const view = ({ interaction, client }: Found) => ({
  id: interaction.id,
  scopes: interaction.scopes,
  scopeInfo: [],
  client: clientSummary(client),
  ...(interaction.steps[0] === undefined ? {} : { currentStep: interaction.steps[0] }),
  requiredSteps: interaction.steps,
});

/** The interaction after its first step was taken by the person of a session. */
const afterStep = async (service: Service, found: Found, session: SessionClaims): Promise<Interaction> => {
  const { client } = found;
  const interaction = { ...found.interaction, userId: session.userId };
  const [step, ...rest] = interaction.steps;
  if (step === undefined) return interaction;
  switch (step) {
    case 'authenticate':
    case 'select_account': {
      const due = await stepsFor(service, session, askedBy(interaction, client));
      const steps = inOrder([...rest, ...due]).filter((each) => each !== step);
      return { ...interaction, steps };
    }
    case 'reauthenticate':
      // It takes a passkey, and the stand-in knows none.
      throw invalidFields([{ field: 'reauthenticationToken', code: 'required', message: 'is required' }]);
    case 'consent':
      await service.store.transaction((documents) =>
        recordConsent(documents, session.userId, client.id, interaction.scopes),
      );
      return { ...interaction, steps: rest };
  }
};

/** Steps between `/authorize` and the code: looked at by anyone who has the id, taken with a session. */
export const addInteractionRoutes = (app: App, service: Service): void => {
  app.get('/api/oidc/interactions/:id', async (call) =>
    json(call, view(await existingInteraction(service, call.req.param('id')))),
  );

  app.post('/api/oidc/interactions/:id/complete', async (call) => {
    const { session } = await requireSession(service, call);
    const fields = await readFields(call);
    const step = fields.text('step');
    const { interaction: known, client } = await existingInteraction(service, call.req.param('id'));
    const interaction = await takenOverBy(service, known, client, session);
    const [expected] = interaction.steps;
    if (expected !== undefined && expected !== step)
      throw invalidRequest(`Expected interaction step ${expected} but got ${step}`);
    const after = await afterStep(service, { interaction, client }, session);
    await service.store.replace('interaction', after.id, after);
    return after.steps.length > 0
      ? json(call, { interaction: view({ interaction: after, client }) })
      : json(call, { redirectUrl: `/authorize?interaction=${after.id}` });
  });
};
