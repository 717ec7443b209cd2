import type { Report } from '../orchestrator/report/check.ts';
import { caaExamination } from './caa.ts';
import { dnssecExamination } from './dnssec.ts';
import { examine, type Examination } from './examine.ts';
import { identityExaminations } from './identity.ts';
import { imagesExamination } from './images.ts';
import { machineExaminations, settingsExamination } from './machine.ts';
import { nameExaminations } from './names.ts';
import { networkExaminations, portsExamination } from './networks.ts';
import { outsideExaminations } from './outside.ts';
import { servedExaminations } from './served.ts';
import { turnExaminations } from './turn.ts';
import type { DoctorView } from './view.ts';

/** Everything that is looked at, in the order in which people read it: what others build on comes first. */
export const examinationsOf = (view: DoctorView): readonly Examination[] => {
  const { services, certificate, grpc, websocket, relay, closed } = servedExaminations(view);
  return [
    ...machineExaminations(view),
    settingsExamination(view),
    ...outsideExaminations(view),
    ...nameExaminations(view),
    caaExamination(view),
    dnssecExamination(view),
    portsExamination(view),
    services,
    certificate,
    grpc,
    websocket,
    closed,
    ...identityExaminations(view),
    relay,
    ...turnExaminations(view),
    ...networkExaminations(view),
    imagesExamination(view),
  ];
};

/** Looks at everything and changes nothing. @throws the signal's reason */
export const doctorReport = async (view: DoctorView, signal: AbortSignal): Promise<Report> => ({
  subject: 'doctor',
  checks: await examine(examinationsOf(view), signal),
});
