import { renewOnce } from '../acme/renewal/round.ts';
import { desired as desiredCertificate } from '../acme/policy.ts';
import type { Context } from '../context.ts';
import type { BoundArea } from '../orchestrator/area.ts';
import { createAreas } from '../orchestrator/areas.ts';
import { converge } from '../orchestrator/converge.ts';
import { takeRunLock } from '../orchestrator/lock.ts';
import { exitCodeOfOutcome, outcomeText } from '../orchestrator/report/text.ts';

/** `renew`: what up does for the certificate, and nothing else; `--now` orders a new one whether it is due or not. */
export const renew = async (context: Context, flags: { readonly now?: boolean }): Promise<number> => {
  const { settings, effects, emit, terminal } = context;
  if (context.flags.json !== true) context.tell(context.hostLine);
  const lock = await takeRunLock(settings.paths.runLock, 'renew');
  try {
    const { areas, adapters } = createAreas(context, { adopt: false });
    if (flags.now === true) {
      context.tell(risk);
      const warn = (text: string, hint: string) => {
        context.tell(`warning: ${text}\n    fix: ${hint}`);
      };
      const renewer = { desired: desiredCertificate(settings), ports: adapters.acmePorts, warn };
      await renewOnce(renewer, effects, terminal.signal);
    }
    // The containers are looked at, since others wait for what they state; nothing of them is started here.
    const concerned = areas
      .filter((area) => ['containers', 'acme', 'private', 'ingress'].includes(area.name))
      .map((area) => (area.name === 'containers' ? { ...area, look: withoutSteps(area.look) } : area));
    const outcome = await converge({ areas: concerned, effects, emit, signal: terminal.signal });
    const text = outcomeText(outcome, terminal.style);
    if (text !== '') context.tell(text);
    const code = exitCodeOfOutcome(outcome);
    if (code === 0 && context.flags.json !== true) {
      context.print(
        outcome.ran.length === 0 && flags.now !== true
          ? 'the certificate is not due'
          : 'the new certificate is served',
      );
    }
    return code;
  } finally {
    context.close();
    await lock.release();
  }
};

const risk =
  "this order is made whatever was written down to wait for: an authority such as Let's Encrypt allows five certificates a week for the same names, and five failed validations an hour for each of them";

const withoutSteps =
  (look: BoundArea['look']): typeof look =>
  async (signal) => ({ facts: (await look(signal)).facts, steps: [] });
