import type { Check } from '../../orchestrator/report/check.ts';
import { nowMs, sleep } from '../../shared/clock.ts';
import { doorOf, storedSerial } from '../observe.ts';
import { shakeHands, type Handshake } from '../probe.ts';
import {
  again,
  check,
  either,
  failed,
  logsOf,
  passed,
  skipped,
  type Finding,
  type Proof,
} from './finding.ts';

/** After a renewal nginx may still be about to take up the new certificate. */
const settleMs = 5_000;

const expiryErrors = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const nameErrors = new Set(['ERR_TLS_CERT_ALTNAME_INVALID']);

/** What is wrong with the chain alone: dates and names have checks of their own. */
const chainFault = ({ distrust }: Handshake): string | undefined =>
  distrust === undefined || expiryErrors.has(distrust) || nameErrors.has(distrust) ? undefined : distrust;

/** A name with a virtual host, where its certificate is kept, and the only roots (PEM) it may chain to. */
export interface Name {
  readonly name: string;
  readonly file: string;
  readonly roots: readonly string[];
}

const sameSerial = async (proof: Proof, { name, file }: Name, first: Handshake): Promise<Finding> => {
  const { desired, ports, signal } = proof;
  const endMs = nowMs() + settleMs;
  for (let served = first; ;) {
    const stored = await storedSerial(file, ports);
    if (stored === undefined) return skipped(`the store has no certificate at ${file}`);
    const serial = served.certificate.serialNumber;
    if (serial === stored) return passed(serial);
    if (nowMs() > endMs) return failed(`served ${serial}, stored ${stored}`, logsOf('nginx'));
    await sleep(250, signal);
    served = await shakeHands(doorOf(desired), name, { signal });
  }
};

/** The handshake of one name: chain, names, dates, serial number, protocol. */
export const checksOfName = async (proof: Proof, one: Name): Promise<readonly Check[]> => {
  const { desired, signal } = proof;
  const { name, roots } = one;
  const shaken = shakeHands(doorOf(desired), name, { roots, signal, protocols: ['h2', 'http/1.1'] });
  const of = async (
    id: string,
    title: string,
    act: (seen: Handshake) => Finding | Promise<Finding>,
  ): Promise<Check> => check(proof, `tls.${id}.${name}`, title, 'nginx', async () => act(await shaken));
  return Promise.all([
    of('chain', `the certificate of ${name} chains to a trusted root`, (seen) => {
      const fault = chainFault(seen);
      const issuer = seen.certificate.issuer.replaceAll('\n', ', ');
      return either(fault === undefined, fault ?? `issued by ${issuer}`, again);
    }),
    of('names', `the certificate of ${name} is for that name`, (seen) =>
      either(
        seen.certificate.checkHost(name) !== undefined,
        seen.certificate.subjectAltName ?? 'it names nobody',
        again,
      ),
    ),
    of('dates', `the certificate of ${name} is valid now`, ({ certificate }) =>
      either(
        Date.parse(certificate.validFrom) <= nowMs() && nowMs() < Date.parse(certificate.validTo),
        `${certificate.validFrom} to ${certificate.validTo}`,
        again,
      ),
    ),
    of('serial', `${name} is served with the certificate in the store`, async (seen) =>
      sameSerial(proof, one, seen),
    ),
    of('http2', `${name} speaks HTTP/2`, ({ protocol }) =>
      either(protocol === 'h2', `agreed on ${protocol ?? 'no protocol'}`, again),
    ),
  ]);
};
