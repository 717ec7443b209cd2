import { privateDomains } from '../../settings/private-names.ts';
import { privateNames, type Settings } from '../../settings/settings.ts';

/** The folder of the private names' certificate in the store; no domain has a name without a dot. */
export const localFolder = 'local';
/** What stands in the place of an ACME directory beside the stored certificate. */
export const localDirectory = 'local-ca';

/** The certificate of the private names, and the CA that signs it. Plain data: the renewer reads it as JSON. */
export interface LocalDesired {
  /** The Compose project; part of the CA's name. */
  readonly project: string;
  /** Every private name, sorted. Empty: there is nothing to do. */
  readonly names: readonly string[];
  /** What a CA that is made now may sign for. */
  readonly domains: readonly string[];
  /** The folder of the certificate store, absolute. */
  readonly certificates: string;
  /** The CA's own certificate, absolute. */
  readonly root: string;
}

export const desiredLocal = (settings: Settings): LocalDesired => {
  const names = privateNames(settings).map(({ name }) => name);
  return {
    project: settings.project,
    names,
    domains: privateDomains(names),
    certificates: settings.paths.certificates,
    root: settings.paths.localCaRoot,
  };
};
