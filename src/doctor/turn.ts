import { ofStack, type Examination } from './examine.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';
import { notRunning } from './served.ts';
import type { StunReply } from './stun.ts';
import type { DoctorView } from './view.ts';

/** Judges what coturn said to a binding request. Pure. */
const judgeStun = (reply: StunReply | undefined, at: string): Finding =>
  reply?.kind === 'binding' && reply.mapped !== undefined
    ? passed(`${at} sees us at ${reply.mapped}`)
    : failed(
        `${at} ${reply === undefined ? 'does not answer' : 'answers without an address'} to a STUN request`,
        'npm run -s logs -- --service coturn shows why; a firewall must let UDP in at that port',
        'npm run -s doctor, and from outside: turnutils_stunclient',
      );

/** Judges what coturn said to an allocation without credentials: anything but 401 makes it a relay for everyone. Pure. */
const judgeTurn = (reply: StunReply | undefined, at: string): Finding => {
  if (reply === undefined) return unknown(`${at} does not answer to an allocation`);
  if (reply.kind === 'refused' && reply.error === 401) return passed('401 without credentials');
  const fix = 'coturn runs without its configuration: npm run up writes it; restart it';
  return failed(
    reply.kind === 'allocated'
      ? `${at} relays for everyone: it gave an allocation to nobody in particular`
      : `${at} answers an allocation without credentials with ${reply.error ?? 'something else'}, wanted 401`,
    fix,
    'npm run -s logs -- --service coturn',
  );
};

/** STUN and TURN, where the stack's own clients ask. */
export const turnExaminations = (view: DoctorView): readonly Examination[] =>
  (['stun', 'turn'] as const).map((id) =>
    ofStack(
      view,
      {
        id,
        title:
          id === 'stun'
            ? 'coturn tells devices their address'
            : 'coturn relays for nobody without credentials',
        needs: id === 'stun' ? ['engine'] : ['engine', 'stun'],
        timeoutMs: 10_000,
      },
      async ({ settings, stun }, known, signal) => {
        const gone = await notRunning(known, ['coturn']);
        if (gone !== undefined) return gone;
        const at = `${settings.reachability.bind}:${settings.reachability.stun_port}/udp`;
        const request = id === 'stun' ? 'binding' : 'allocation';
        const reply = await stun.ask(request, signal).catch(() => undefined);
        signal.throwIfAborted();
        return id === 'stun' ? judgeStun(reply, at) : judgeTurn(reply, at);
      },
    ),
  );
